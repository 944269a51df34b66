// Tells the page that opened this window how the sign-in came out. sdk/login1.js listens there.
const { origin, answer } = document.body.dataset;
if (window.opener) {
	window.opener.postMessage({ amazonLogin: JSON.parse(answer) }, origin);
	window.close();
}
