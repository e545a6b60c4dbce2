/** Puts the caret where the reader has to write next: into the password of an open dialog. */

/** Focus the field once it is there; what the reader has begun to type elsewhere is left alone. */
export default function mount() {
  const timer = setInterval(focus, 50);
  const end = setTimeout(() => clearInterval(timer), 3000);
  function focus() {
    const field = document.querySelector('[role="dialog"] input[type="password"]');
    if (!field) return;
    clearInterval(timer);
    clearTimeout(end);
    if (document.activeElement?.tagName !== "INPUT") field.focus();
  }
  return () => {
    clearInterval(timer);
    clearTimeout(end);
  };
}
