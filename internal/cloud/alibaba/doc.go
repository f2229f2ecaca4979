// Package alibaba is the provider for Alibaba Cloud ECS, over the generic client of darabonba-openapi with requests and
// answers of our own.
//
// It promises that opening costs no call, that nothing is tried twice behind the caller's back, that every listing is of
// the account's own things whatever their state, that an answer which is not Alibaba Cloud's own is an error and never an
// empty listing, and that a credential which could not be renewed is an error and never used on.
//
// It refuses to wait, to force a deletion, to delete the snapshots of an image with it, and to guess at an error code that
// it does not know.
//
// What is particular about Alibaba Cloud, and decided here:
//
//   - ECS tells an instance's disks only in the listing of disks. A listing of instances therefore begins with pages that
//     bring none, while the region's disks are read; see disks.go.
//   - Images are listed by page number. When some are deleted meanwhile the rest moves up, so the page before is read once
//     more; see Images.
//   - A snapshot-consistent group (crash-consistent, ESSD disks only) gives its members neither its name nor its tags. Both
//     are written right after it is made; the same token finds the same group, so that whoever was cut off goes on there.
//   - DeleteSnapshot of an unknown id succeeds, so the snapshot is looked at first.
//   - An image is ready when it is Available and Usable.
//   - A listing of snapshots does not tell that one is locked: the locks are listed beside it; see snapshots.go.
package alibaba
