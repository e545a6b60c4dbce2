/** The interface's words in the reader's language: the English text is the key of its translation. */

const ENGLISH = "en";

let spoken = ENGLISH;
/** @type {Object<string, string>} */
let words = {};

/**
 * Speak a language from now on; a component is mounted after its words are here.
 * @param {string} [language] `en`, `de`, `es` or `zh`.
 */
export async function useLanguage(language = ENGLISH) {
  if (language === spoken) return;
  words = language === ENGLISH ? {} : await fetchWords(language);
  spoken = language;
  document.documentElement.lang = language;
}

/** Without its words an interface says everything in English rather than nothing. */
async function fetchWords(language) {
  try {
    const answer = await fetch(new URL(`../words/${language}.json`, import.meta.url));
    return answer.ok ? await answer.json() : {};
  } catch {
    return {};
  }
}

/**
 * Return a text of the interface in the reader's language.
 * @param {string} text In English, a literal; `{name}` stands for a value.
 * @param {Object<string, unknown>} [values] What stands for the names; never translated.
 */
export function say(text, values) {
  const translated = words[text] ?? text;
  if (!values) return translated;
  return translated.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/**
 * Return a literal as it is: one that stands in a table, and is said where it is shown.
 * @param {string} text
 */
export function phrase(text) {
  return text;
}

/** @returns {string} The language that is spoken, for `Intl` and `lang`. */
export function language() {
  return spoken;
}
