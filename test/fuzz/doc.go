// Package fuzz holds the fuzz targets to keeping what they have found. The targets stand beside what they try; run runs
// them all.
package fuzz
