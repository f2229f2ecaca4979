// Package aws is the provider for Amazon EC2 and EBS, over the typed ec2 client of aws-sdk-go-v2.
//
// It promises that opening costs no call, that every method makes exactly one request (the SDK's own retries are off:
// the interceptors around a provider retry, and a create that has no client token must never run twice), that every
// listing is of the account's own things, and that an answer which is not EC2's own is an error and never an empty
// listing.
//
// It refuses to wait, to reboot an instance for an image unless asked to, to delete the snapshots of an image with it,
// and to guess at an error code that it does not know.
package aws
