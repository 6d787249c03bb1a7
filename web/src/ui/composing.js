// Enter, Escape and the arrows belong to an input method while it composes. Safari ends the composition before the key
// event that ends it; that one has the code 229.
export const isComposing = (event) => event.isComposing || event.keyCode === 229;
