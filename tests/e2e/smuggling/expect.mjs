// What a string of the corpus is answered with.

/** The rows of the last statement, as arrays; no arguments: none. */
export const rows = (...values) => ({ rows: values });

/** A problem with this code whose words hold `says`. */
export const error = (code, says = '') => ({ code, says });
