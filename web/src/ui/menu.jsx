// A button that opens a list of actions or choices; arrows move in it, letters find an entry, Escape closes it.
import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { isComposing } from './composing.js';
import { Icon } from './icon.jsx';

const GAP = 6;

function moveFocus(list, event) {
  const entries = [...list.querySelectorAll('[role^=menuitem]')];
  const at = entries.indexOf(document.activeElement);
  const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 };
  let next = entries.at(moves[event.key] % entries.length);
  if (!(event.key in moves)) {
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey) return;
    const after = [...entries.slice(at + 1), ...entries];
    next = after.find((entry) => entry.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()));
    if (!next) return;
  }
  event.preventDefault();
  next?.focus();
}

/** Puts the list below or above its button, wherever there is room, and inside of the window. */
function place(list, button, align) {
  const around = button.getBoundingClientRect();
  const { width, height } = list.getBoundingClientRect();
  const below = around.bottom + GAP + height <= innerHeight || around.top < height;
  const left = align === 'end' ? around.right - width : around.left;
  list.style.top = `${Math.max(GAP, below ? around.bottom + GAP : around.top - GAP - height)}px`;
  list.style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
}

/** `items`: {label, description?, icon?, checked?, danger?, run} or null for a line; the button has `class` and what
 * `children` show. */
export function Menu({ label, class: className, children, items, align = 'start', title }) {
  const open = useSignal(false);
  const id = useId();
  const root = useRef(null);
  const button = useRef(null);
  const list = useRef(null);

  useEffect(() => {
    if (!open.value) return undefined;
    list.current.showPopover(); // over everything, whatever clips the place where it stands
    place(list.current, button.current, align);
    const entry = list.current.querySelector('[aria-checked=true]') ?? list.current.querySelector('[role^=menuitem]');
    entry?.focus();
    const closeOutside = (event) => {
      if (!root.current.contains(event.target)) open.value = false;
    };
    const closeAtOnce = () => { open.value = false; };
    document.addEventListener('pointerdown', closeOutside);
    addEventListener('resize', closeAtOnce);
    return () => {
      document.removeEventListener('pointerdown', closeOutside);
      removeEventListener('resize', closeAtOnce);
    };
  }, [open.value]);

  const close = () => {
    open.value = false;
    button.current.focus();
  };
  const onKeyDown = (event) => {
    if (isComposing(event)) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      close();
    } else if (event.key === 'Tab') {
      open.value = false;
    } else {
      moveFocus(list.current, event);
    }
  };

  return (
    <div class="menu" ref={root}>
      <button ref={button} type="button" class={className} title={title} aria-label={label} aria-haspopup="menu"
        aria-expanded={open.value} aria-controls={open.value ? id : undefined} onClick={() => { open.value = !open.value; }}
        onKeyDown={(event) => { if (event.key === 'ArrowDown') { event.preventDefault(); open.value = true; } }}>
        {children}
      </button>
      {open.value && (
        <div ref={list} id={id} class="menu-list" popover="manual" role="menu" aria-label={label} onKeyDown={onKeyDown}>
          {items.map((item, i) => (item ? <Entry key={i} item={item} close={close} /> : <hr key={i} />))}
        </div>
      )}
    </div>
  );
}

function Entry({ item, close }) {
  const choice = item.checked !== undefined;
  return (
    <button type="button" role={choice ? 'menuitemradio' : 'menuitem'} aria-checked={choice ? item.checked : undefined}
      class={item.danger ? 'danger' : undefined} tabIndex={-1} onClick={() => { close(); item.run(); }}>
      {item.icon && <Icon name={item.icon} />}
      <span class="menu-text">
        <span>{item.label}</span>
        {item.description && <span class="muted">{item.description}</span>}
      </span>
      {item.checked && <Icon name="check" />}
    </button>
  );
}
