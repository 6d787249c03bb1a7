// A labelled field of a form.
import { useId } from 'preact/hooks';

export function Field({ label, hint, error, children, class: className = '', ...input }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || undefined;
  return (
    <div class={`field ${className}`}>
      <label for={id}>{label}</label>
      {children ? children({ id, 'aria-describedby': described }) : (
        <input id={id} aria-describedby={described} aria-invalid={error ? true : undefined} {...input} />
      )}
      {hint && <p id={`${id}-hint`} class="hint">{hint}</p>}
      {error && <p id={`${id}-error`} class="form-error">{error}</p>}
    </div>
  );
}
