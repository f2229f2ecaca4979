// Package fakeaws answers EC2's wire API in process: the query protocol in, XML out, request signatures checked. It is
// for the provider's exam, for benchmarks, and for trying other clients (stint fake aws).
//
// It promises what EC2 documents and a client may lean on: ids, states that pass with time, filters with wildcards,
// pages, tags at creation, owners, client tokens, limits and the error codes for each refusal. Parameters that it does
// not know are refused, so that a wrong name is found here and not in an account. It keeps no goroutine of its own:
// everything that happens with time is worked out from the clock when somebody looks.
//
// It refuses to be a whole cloud: no networks beyond a subnet id, no IAM beyond a list of denied actions and policies
// that allow (Enforce), no billing, and no disk contents.
package fakeaws
