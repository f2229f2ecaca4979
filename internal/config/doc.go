// Package config holds the process's own settings: where the database is, and what secret references stand for.
//
// It promises to say everything that is wrong at once, and never to print a value that may be secret. It refuses to
// read a secret from a policy file or a flag: they come by reference, env:NAME or file:PATH.
package config
