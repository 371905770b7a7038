// Samples into figures.

export function quantile(samples, share) {
  const sorted = [...samples].sort((left, right) => left - right);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  return below + (sorted[Math.ceil(place)] - below) * (place % 1);
}

export const median = (samples) => quantile(samples, 0.5);

/** Medians are compared within a round, where both saw the same noise; then the middle of the rounds is taken. */
export function ratioByRound(rounds, otherRounds) {
  const ratios = rounds.map((samples, index) => median(samples) / median(otherRounds[index]));
  return { value: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

/** A line of target/bench.json. Without a target there is nothing to be reached, so `ok` is null as well. */
export function measured(name, value, unit, target = null) {
  return { name, value: Number(value.toFixed(unit === 'bytes' ? 0 : 3)), unit, target, ok: target === null ? null : value <= target };
}
