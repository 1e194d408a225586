// What happened to the account.

import { byId } from "../dom.js";
import { Listing, Part, rowOf } from "./parts.js";
import { ago, line } from "./words.js";

// The name of an event: its icon, and its words. Those that may be somebody else's doing are marked.
const EVENTS = {
  "account.registered": ["person", "The account was made"],
  "account.email_verified": ["check", "The email address was confirmed"],
  "account.email_change_asked": ["edit", "Another email address was asked for"],
  "account.email_changed": ["edit", "The email address was changed"],
  "account.password_changed": ["lock", "The password was changed"],
  "account.password_reset_asked": ["lock", "A link for a new password was asked for"],
  "account.password_reset": ["lock", "The password was set anew by a link"],
  "account.deactivated": ["lock", "The account was closed"],
  "account.reactivated": ["check", "The account was opened again"],
  "account.invited": ["person", "An invitation was sent"],
  "account.identity_linked": ["link", "A sign-in elsewhere was linked"],
  "account.identity_unlinked": ["link", "A sign-in elsewhere was unlinked"],
  "account.export_asked": ["export", "An export was asked for"],
  "account.export_read": ["export", "An export was downloaded"],
  "account.erasure_asked": ["trash", "The erasure of the account was asked for"],
  "account.erasure_cancelled": ["check", "The erasure was taken back"],
  "session.signed_in": ["computer", "Signed in"],
  "session.sign_in_failed": ["alert", "Somebody tried to sign in and was refused", true],
  "session.sign_in_locked": ["alert", "Too many wrong passwords: the sign-in was locked for a while", true],
  "session.signed_out": ["leave", "Signed out"],
  "session.ended": ["leave", "Devices were signed out"],
  "session.refresh_token_reused": ["alert", "A sign-in was used twice, and ended", true],
  "second_factor.added": ["lock", "A second factor was added"],
  "second_factor.removed": ["lock", "A second factor was removed"],
  "second_factor.failed": ["alert", "A wrong code was typed, or a passkey was refused", true],
  "second_factor.recovery_codes_made": ["lock", "New recovery codes were made"],
  "second_factor.recovery_code_used": ["lock", "A recovery code was used"],
  "second_factor.passkey_renamed": ["edit", "A passkey was renamed"],
  "second_factor.passkey_cloned": ["alert", "There may be a copy of a passkey", true],
  "second_factor.reset": ["lock", "All second factors were taken away"],
  "second_factor.shown": ["lock", "The second step was passed"],
  "api_key.made": ["key", "An API key was made"],
  "api_key.changed": ["key", "An API key was changed"],
  "api_key.revoked": ["key", "An API key was revoked"],
  "staff.signed_in": ["computer", "Signed in to the staff console"],
  "staff.sign_in_failed": ["alert", "Somebody tried to sign in to the staff console and was refused", true],
  "staff.signed_out": ["leave", "Signed out of the staff console"],
  "staff.added": ["edit", "Something was added in the staff console"],
  "staff.changed": ["edit", "The account was changed in the staff console"],
  "staff.deleted": ["trash", "Something was deleted in the staff console"],
};

export class Activity extends Part {
  constructor({ api }) {
    super("activity");
    this.list = new Listing(byId("activity-list"), { more: byId("activity-more"), read: (cursor) => api.activity(cursor), row, empty: "Nothing has happened yet." });
  }

  load() {
    return this.list.load();
  }
}

function row({ action, at, by, ip, device }) {
  const [picture, words, alarming = false] = EVENTS[action] ?? ["clock", wordsOf(action)];
  return rowOf(picture, words, { alarming, about: [line(by === "staff" && "by our staff", device, ip, ago(at))] });
}

// Of an event that came later than this page: "api_key.made" is "Api key made".
function wordsOf(action) {
  const words = action.replaceAll(/[._]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
