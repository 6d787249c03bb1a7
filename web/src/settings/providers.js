// The providers that a configuration may name, as people know them. Their addresses are the server's; `local` ones run
// in one's own network, so the address has to be given, and often no key. `models`: suggestions.
export const PROVIDERS = [
  { id: 'openai', label: 'OpenAI', models: ['gpt-5', 'gpt-5-mini', 'gpt-4o-mini'] },
  { id: 'anthropic', label: 'Anthropic', models: ['claude-opus-4-5', 'claude-sonnet-4-5', 'claude-haiku-4-5'] },
  { id: 'gemini', label: 'Google Gemini', models: ['gemini-2.5-pro', 'gemini-2.5-flash'] },
  { id: 'deepseek', label: 'DeepSeek', models: ['deepseek-chat', 'deepseek-reasoner'] },
  { id: 'qwen', label: 'Qwen · 通义千问', models: ['qwen-max', 'qwen-plus', 'qwen-turbo'] },
  { id: 'zhipu', label: 'Zhipu · 智谱', models: ['glm-4.6', 'glm-4.5-air'] },
  { id: 'moonshot', label: 'Moonshot · 月之暗面', models: ['kimi-k2-turbo-preview', 'kimi-latest'] },
  { id: 'doubao', label: 'Doubao · 豆包', models: ['doubao-seed-1-6', 'doubao-seed-1-6-flash'] },
  { id: 'siliconflow', label: 'SiliconFlow · 硅基流动', models: ['deepseek-ai/DeepSeek-V3', 'Qwen/Qwen3-32B'] },
  { id: 'openrouter', label: 'OpenRouter', models: ['openai/gpt-5-mini', 'anthropic/claude-sonnet-4.5'] },
  { id: 'groq', label: 'Groq', models: ['llama-3.3-70b-versatile'] },
  { id: 'mistral', label: 'Mistral', models: ['mistral-large-latest', 'mistral-small-latest'] },
  { id: 'xai', label: 'xAI', models: ['grok-4'] },
  { id: 'ollama', label: 'Ollama', local: 'http://127.0.0.1:11434', models: ['llama3.2', 'qwen3'] },
  { id: 'llama_cpp', label: 'llama.cpp', local: 'http://127.0.0.1:8080/v1', models: [] },
  { id: 'lm_studio', label: 'LM Studio', local: 'http://127.0.0.1:1234/v1', models: [] },
  { id: 'vllm', label: 'vLLM', local: 'http://127.0.0.1:8000/v1', models: [] },
];

export const providerOf = (id) => PROVIDERS.find((provider) => provider.id === id) ?? PROVIDERS[0];
