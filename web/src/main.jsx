// The page's beginning: texts first, then everything else.
import { render } from 'preact';
import { App } from './app/app.jsx';
import { loadLanguage } from './i18n/index.js';
import { loadAccount } from './state/account.js';

await Promise.all([loadLanguage(), loadAccount()]);
render(<App />, document.getElementById('page'));
