// Users with a key to the OpenAI routes, as their stock clients need them.

/** A new user with a personal API key: {user, key, baseURL}. */
export async function keyHolder(server) {
  const user = await server.user();
  const { key } = await user.ok('POST', '/api/keys', { name: 'client' });
  return { user, key, baseURL: `${server.url}/v1` };
}

export const ask = (content) => [{ role: 'user', content }];

/** A tool in OpenAI's form; the mock calls the first one that it is given. */
export const TOOL = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
