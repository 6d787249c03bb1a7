// The document in which an image from another host is shown: it can do nothing but that. The address is behind its `#`;
// its size goes to the page around it.
const image = new Image();
const tell = (size) => parent.postMessage(size, '*'); // no other page can have this one inside

document.body.style.margin = '0';
Object.assign(image.style, { display: 'block', width: '100%' });
image.onload = () => tell({ width: image.naturalWidth, height: image.naturalHeight });
image.onerror = () => tell({ failed: true });
image.src = decodeURIComponent(location.hash.slice(1));
document.body.append(image);
