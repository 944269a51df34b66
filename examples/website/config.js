// Where things are. These are the addresses of restock up; once Restock is deployed, api is
// the origin of the stack's CallbackUrl, and sdk Amazon's own:
// https://api-cdn.amazon.com/sdk/login1.js
const config = {
	api: "http://localhost:8080",
	sdk: "http://localhost:8081/sdk/login1.js",
};
