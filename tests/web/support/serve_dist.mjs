// For looking at the page by hand: node serve_dist.mjs http://127.0.0.1:8080
import { PageServer } from './page_server.mjs';

const server = await new PageServer(process.argv[2] ?? 'http://127.0.0.1:8080', process.argv[3] ?? '/').start();
console.log(server.url);
