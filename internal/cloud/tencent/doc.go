// Package tencent is the provider for Tencent Cloud's CVM and CBS, over the typed clients of tencentcloud-sdk-go, and its
// tag service and STS beside them.
//
// It promises that opening costs no call, that nothing is asked twice by itself (the SDK's retries and its way round a
// region that fails are off: the interceptors around a provider retry, and a create without a client token must never run
// twice), that every listing is of the account's own things and whole though pages shift while it is read, that an answer
// which is not Tencent Cloud's own is an error and never an empty listing, and that no request is signed with a key whose
// time is over.
//
// It refuses to wait, to switch an instance off for an image unless asked to, to delete an image's snapshots with it or a
// snapshot's images, to call the snapshots of a group consistent, which Tencent Cloud does not, and to guess at an error
// code that it does not know.
package tencent
