// Stands in for Amazon's SDK for JavaScript, https://api-cdn.amazon.com/sdk/login1.js, on
// pages that sign customers in at a sandbox: the one that served this file.
//
// Written from the SDK's documented behaviour:
// https://developer.amazon.com/docs/login-with-amazon/javascript-sdk-reference.html
(function () {
	"use strict";

	const home = new URL(document.currentScript.src).origin;
	const tokenCookie = "amazon_Login_accessToken";
	const verifierCookie = "amazon_Login_codeVerifier";

	let clientID = "";
	let siteDomain = "";
	let useCookie = false;
	let cached = null; // the newest token: {token, scopes, until}

	// AuthorizeRequest is what authorize returns: it fills with the answer, and goes on to
	// whatever next is by then, a URL or a function.
	class AuthorizeRequest {
		#next;

		constructor(scope, state, next) {
			this.status = "queued";
			this.scope = scope;
			if (state !== undefined) this.state = state;
			this.#next = [next];
		}

		onComplete(next) {
			if (this.status === "complete") return goOn(this, next);
			this.#next.push(next);
		}

		complete(answer) {
			if (this.status === "complete") return;
			Object.assign(this, answer, { status: "complete" });
			for (const next of this.#next) goOn(this, next);
		}
	}

	const answered = ["code", "access_token", "token_type", "expires_in", "scope", "state", "error", "error_description", "error_uri"];

	function goOn(request, next) {
		if (typeof next === "function") return next(request);
		if (!next) return;
		const to = new URL(next, location.href);
		for (const name of answered) {
			const left = request.error && name === "scope"; // nothing was granted
			if (request[name] !== undefined && !left) to.searchParams.set(name, request[name]);
		}
		location.assign(to);
	}

	function authorize(options, next) {
		const asked = read(options, next);
		const request = new AuthorizeRequest(asked.params.scope, options.state, next);
		const token = asked.params.response_type === "token" && options.interactive !== "always" && cachedFor(asked.params.scope);
		if (token || options.interactive === "never") {
			setTimeout(() => request.complete(token || refusal("invalid_grant", "There is no token in the cache that would do.")));
			return request;
		}
		request.status = "in progress";
		// Opened at once: once the click is over, browsers open no windows.
		const popup = asked.popup ? window.open("", "amazonloginpopup", "popup,width=480,height=640") : null;
		if (!popup && !asked.url) {
			setTimeout(() => request.complete(refusal("access_denied", "The browser opened no window for the sign-in.")));
			return request;
		}
		if (popup) {
			asked.params.sdk_origin = location.origin;
			listen(popup, request);
		}
		challenge(options.pkce, asked.params).then((params) => {
			const page = home + "/ap/oa?" + new URLSearchParams(params);
			(popup || window).location.assign(page);
		});
		return request;
	}

	// read checks what authorize is called with.
	function read(options, next) {
		if (!clientID) throw new Error("amazon.Login.setClientId must be called before authorize");
		if (!options || !options.scope || !options.scope.length) throw new Error("amazon.Login.authorize needs options.scope");
		if (!["auto", "always", "never", undefined].includes(options.interactive)) {
			throw new Error("options.interactive must be auto, always or never");
		}
		const popup = options.popup !== false;
		if (!popup && typeof next !== "string") throw new Error("without a popup, next must be the redirect URL");
		if (options.pkce && !(window.crypto && crypto.subtle)) throw new Error("options.pkce needs a page on HTTPS or localhost");
		const url = typeof next === "string" ? new URL(next, location.href).href : "";
		const params = {
			client_id: clientID,
			scope: [].concat(options.scope).join(" "),
			response_type: options.pkce ? "code" : options.response_type || "token",
			// A code that is handed to a function belongs to the page's origin.
			redirect_uri: url || location.origin,
		};
		if (options.scope_data !== undefined) params.scope_data = JSON.stringify(options.scope_data);
		if (options.state !== undefined) params.state = options.state;
		return { params, popup, url };
	}

	// forget ends the waiting for an earlier sign-in. There is one window for all of them: a
	// second click begins anew in it, and its code is not for the first.
	let forget = () => {};

	// listen waits for what the popup says, or for its end.
	function listen(popup, request) {
		forget();
		const done = (answer) => {
			forget();
			request.complete(answer);
		};
		const hear = (event) => {
			if (event.origin === home && event.source === popup && event.data && event.data.amazonLogin) done(event.data.amazonLogin);
		};
		let closed = 0;
		const watch = setInterval(() => {
			if (popup.closed) closed++;
			if (closed > 2) done(refusal("access_denied", "The customer closed the window.")); // no answer was on its way
		}, 200);
		addEventListener("message", hear);
		forget = () => {
			clearInterval(watch);
			removeEventListener("message", hear);
		};
	}

	// challenge adds a PKCE challenge, and keeps its verifier for retrieveToken, on
	// whichever page of this site that will be called.
	async function challenge(wanted, params) {
		if (!wanted) return params;
		const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
		const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
		setCookie(verifierCookie, [verifier, params.redirect_uri, params.scope].map(encodeURIComponent).join("|"), 600);
		return { ...params, code_challenge: base64url(new Uint8Array(hash)), code_challenge_method: "S256" };
	}

	function base64url(bytes) {
		return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
	}

	// retrieveToken exchanges the code of an authorize with pkce.
	async function retrieveToken(code, callback) {
		const [verifier, redirect_uri, scope] = (cookie(verifierCookie) || "").split("|").map(decodeURIComponent);
		if (!verifier) {
			return callback({ success: false, ...refusal("invalid_request", "authorize was not called with pkce on this site, or the browser keeps no cookies.") });
		}
		const body = new URLSearchParams({
			grant_type: "authorization_code",
			client_id: clientID,
			redirect_uri,
			code_verifier: verifier,
			code,
		});
		setCookie(verifierCookie, "", 0);
		const answer = await ask("/auth/o2/token", { method: "POST", body });
		if (answer.error) return callback({ success: false, ...answer });
		const { access_token, token_type, expires_in } = answer;
		keep(access_token, scope, Number(expires_in));
		callback({ success: true, access_token, token_type, expires_in });
	}

	// retrieveProfile tells whose token it is; without one, the token in the cache.
	async function retrieveProfile(token, callback) {
		if (typeof token === "function") [token, callback] = [cached && cached.token, token];
		const answer = await ask("/user/profile?" + new URLSearchParams({ access_token: token || "" }));
		if (answer.error) return callback({ success: false, ...answer });
		callback({
			success: true,
			profile: { CustomerId: answer.user_id, Name: answer.name, PrimaryEmail: answer.email, PostalCode: answer.postal_code },
		});
	}

	async function ask(path, init) {
		try {
			const response = await fetch(home + path, { credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer", ...init });
			const { error, error_description, ...answer } = await response.json();
			if (error) return refusal(error, error_description);
			return response.ok ? answer : refusal("server_error", "Amazon answered " + response.status + ".");
		} catch {
			return refusal("server_error", "No answer came from Amazon.");
		}
	}

	function refusal(error, error_description) {
		return { error, error_description };
	}

	function keep(token, scope, seconds) {
		cached = { token, scopes: scope.split(" "), until: Date.now() + seconds * 1000 };
		if (useCookie) setCookie(tokenCookie, encodeURIComponent(token), seconds);
	}

	function cachedFor(scope) {
		if (!cached || cached.until <= Date.now() || !scope.split(" ").every((s) => cached.scopes.includes(s))) return null;
		return { access_token: cached.token, token_type: "bearer", expires_in: Math.floor((cached.until - Date.now()) / 1000) };
	}

	// logout forgets the tokens here. The customer stays signed in at Amazon.
	function logout() {
		cached = null;
		setCookie(tokenCookie, "", 0);
		setCookie(verifierCookie, "", 0);
	}

	function cookie(name) {
		const found = document.cookie.split("; ").find((c) => c.startsWith(name + "="));
		return found && found.slice(name.length + 1);
	}

	function setCookie(name, value, seconds) {
		let text = `${name}=${value}; path=/; max-age=${seconds}; samesite=lax`;
		if (siteDomain) text += "; domain=" + siteDomain;
		if (location.protocol === "https:") text += "; secure";
		document.cookie = text;
	}

	window.amazon = window.amazon || {};
	window.amazon.Login = {
		Region: { NorthAmerica: "NA", Europe: "EU", AsiaPacific: "APAC" },
		authorize,
		getClientId: () => clientID,
		logout,
		retrieveProfile,
		retrieveToken,
		setClientId: (id) => void (clientID = id),
		setRegion: () => {}, // a sandbox has all regions at one address
		setSandboxMode: () => {}, // it is one
		setSiteDomain: (domain) => void (siteDomain = domain),
		setUseCookie: (use) => void (useCookie = use),
	};
	if (typeof window.onAmazonLoginReady === "function") window.onAmazonLoginReady();
})();
