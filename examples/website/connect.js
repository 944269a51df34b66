"use strict";

const form = document.getElementById("device");
const button = document.getElementById("LoginWithAmazon");
const message = document.getElementById("message");

// Amazon's SDK calls this once it is there.
window.onAmazonLoginReady = () => { button.disabled = false; };

const sdk = document.createElement("script");
sdk.async = true;
sdk.id = "amazon-login-sdk";
sdk.src = config.sdk;
sdk.onerror = () => { message.textContent = "Amazon's sign-in could not be loaded. Please reload the page."; };
document.getElementById("amazon-root").append(sdk);

// The state says whose device a sign-in is for. It comes from Restock, so that Restock knows
// it again when Amazon sends the customer to its /callback.
async function authorization(device) {
	const response = await fetch(config.api + "/v1/authorizations", {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ ...device, pkce: false }), // the SDK can't send Restock's challenge
	});
	if (response.ok) return response.json();
	const answer = await response.json().catch(() => ({})); // what stands before Restock may answer in HTML
	throw new Error(answer.code === "bad_field" ? "Please check the model and the serial number." : "Please try again in a moment.");
}

form.onsubmit = async (event) => {
	event.preventDefault();
	message.textContent = "";
	button.disabled = true;
	try {
		const { state, scope, scope_data, redirect_uri, authorize_url } = await authorization(Object.fromEntries(new FormData(form)));
		amazon.Login.setClientId(new URL(authorize_url).searchParams.get("client_id"));
		// Not in a window of its own: browsers block one that opens after a request.
		amazon.Login.authorize({ scope, scope_data, state, response_type: "code", popup: false }, redirect_uri);
	} catch (error) {
		message.textContent = error instanceof TypeError ? "The service can't be reached. Please try again in a moment." : error.message;
		button.disabled = false;
	}
};

// Back from Amazon by the browser's button, the page may come out of its memory.
window.onpageshow = (event) => { if (event.persisted) button.disabled = false; };
