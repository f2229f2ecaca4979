// Package cloud holds the nouns that Stint speaks about, the abilities that a cloud may have or lack, the eight classes
// of error, and the Client through which the rest of the program reaches a cloud.
//
// It promises that nothing in it knows any particular cloud, keeps a clock or waits, and it imports nothing but the
// standard library. A provider (cloud/aws, cloud/openstack, cloud/memcloud …) implements Provider and whichever of the
// ability interfaces its cloud has; NewClient finds them out once. Every provider sits the exam in cloud/cloudtest.
package cloud
