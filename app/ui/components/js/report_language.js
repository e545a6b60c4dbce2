/** The language that a report is written in, by its small words: for the browser's spelling and for screen readers. */

const SMALL_WORDS = {
  de: ["der", "die", "das", "und", "kein", "keine", "nicht", "mit", "im", "links", "rechts", "ist", "des", "ohne"],
  en: ["the", "of", "no", "is", "and", "in", "left", "right", "with", "are", "there", "without", "on", "to"],
  es: ["el", "la", "los", "las", "de", "sin", "con", "del", "izquierdo", "derecho", "se", "en", "y", "no"],
};
const HAN = /\p{Script=Han}/u;

/**
 * Tell in which language most of the small words are.
 * @param {{text: string}[]} sentences
 * @param {string} otherwise What the reader speaks: for a text that tells nothing.
 * @returns {string} `de`, `en`, `es` or `zh`.
 */
export function reportLanguage(sentences, otherwise) {
  const text = sentences.map((sentence) => sentence.text).join(" ");
  if (HAN.test(text)) return "zh";
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const counts = Object.entries(SMALL_WORDS).map(([code, small]) => [code, words.filter((w) => small.includes(w)).length]);
  const [best, count] = counts.sort((a, b) => b[1] - a[1])[0];
  return count > 0 ? best : otherwise;
}
