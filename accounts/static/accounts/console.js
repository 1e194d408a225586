// The staff console's second step with a passkey: what it signs goes into the form.

import { passkeysWork, showPasskey } from "./passkeys.js";

const form = document.getElementById("second-factor-form");
const button = document.getElementById("use-passkey");
const fault = document.getElementById("passkey-fault");

button.hidden = !passkeysWork();
button.addEventListener("click", async () => {
  fault.hidden = true;
  button.disabled = true;
  try {
    const answer = await fetch(form.dataset.question, {
      method: "POST",
      headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
    });
    if (!answer.ok) throw new Error("The server cannot be asked right now. Try again.");
    form.elements.passkey.value = JSON.stringify(await showPasskey(await answer.json()));
    form.submit();
  } catch (error) {
    fault.textContent = error.message;
    fault.hidden = false;
    button.disabled = false;
  }
});
