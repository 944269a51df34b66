// Package interop runs software that this project did not write against its sandbox for
// Login with Amazon, and its client against servers that it did not write.
//
//	make interop
//
// fetches what package.json and requirements.txt pin, runs it all, and prints a line for
// each stranger. It is a module of its own, so that none of it is a dependency of
// Restock.
//
// Strangers that know nothing but Amazon's addresses are given them: package interop
// stands behind a proxy that leads every address of Amazon's to the sandbox, over TLS
// and with an authority of its own. No stranger is changed.
package interop
