// Package faketencent answers Tencent Cloud's wire API 3.0 in process: JSON in, JSON out, request signatures checked. It
// is for the provider's exam, and for trying other clients (stint fake tencent).
//
// It promises what Tencent Cloud documents of CVM, CBS, STS and the tag service and a client may lean on: errors that come
// with HTTP 200, ids, states that pass with time, pages of twenty unless more are asked for, newest first, filters and ids
// that exclude each other, tags at creation, client tokens, names that are unique, limits and the code for each refusal.
// Several accounts are answered at one address, and roles are lent between them. Parameters that it does not know are
// refused, so that a wrong name is found here and not in an account. It keeps no goroutine of its own: everything that
// happens with time is worked out from the clock when somebody looks.
//
// It refuses to be a whole cloud: no networks beyond their ids, no CAM beyond a list of denied actions, policies that
// allow (Enforce) and roles that trust accounts, no billing, and no disk contents.
package faketencent
