const texts = {
  en: 'The API is at {base}api; this page is not built yet.',
  zh: 'API 在 {base}api；页面尚未构建。',
};
const text = navigator.language.startsWith('zh') ? texts.zh : texts.en;
const paragraph = document.createElement('p');
paragraph.textContent = text.replace('{base}', new URL('.', document.baseURI).pathname);
document.getElementById('page').append(paragraph);
