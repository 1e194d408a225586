// Times, places and refusals in words.

import { el } from "../dom.js";

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const whole = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" });
const days = new Intl.DateTimeFormat("en", { dateStyle: "long" });
const countries = new Intl.DisplayNames("en", { type: "region" });

// "3 hours ago", "in 5 days", "just now".
export function away(iso, now = Date.now()) {
  const seconds = (new Date(iso) - now) / 1000;
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? [];
  return unit ? relative.format(Math.trunc(seconds / length), unit) : "just now";
}

export function dayOf(iso) {
  return days.format(new Date(iso));
}

export function momentOf(iso) {
  return whole.format(new Date(iso));
}

// The time as a distance from now; the moment itself is told to whoever points at it.
export function ago(iso) {
  return el("time", { datetime: iso, title: momentOf(iso) }, away(iso));
}

// "Bern, Switzerland"; nothing where nobody knows.
export function placeOf({ city, country }) {
  return [city, country && countries.of(country)].filter(Boolean).join(", ");
}

// Why something was refused, and when another try makes sense.
export function reasonOf(error) {
  if (!error.retryAfterS) return error.message;
  const seconds = Math.ceil(error.retryAfterS);
  const wait = seconds < 90 ? `${seconds} second${seconds === 1 ? "" : "s"}` : `${Math.ceil(seconds / 60)} minutes`;
  return `${error.message} Try again in ${wait}.`;
}

// What stands in one line, with dots between. Empty pieces are left out.
export function line(...pieces) {
  const given = pieces.filter(Boolean);
  return el("p", { class: "row-about" }, ...given.flatMap((piece, at) => (at ? [" · ", piece] : [piece])));
}
