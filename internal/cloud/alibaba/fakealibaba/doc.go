// Package fakealibaba answers the wire APIs of Alibaba Cloud's ECS and STS in process: signed forms in, JSON out. It is for
// the provider's exam, for benchmarks, and for trying other clients (stint fake alibaba).
//
// It promises what Alibaba Cloud documents and a client may lean on: ids, states that pass with time, both ways of paging
// with their defaults and limits, what is hidden unless asked for, client tokens, names, tags, quotas, several accounts
// with roles between them, and the error codes for each refusal. Parameters that it does not know are refused, though the
// real one overlooks them, so that a wrong name is found here and not in an account. It keeps no goroutine of its own:
// everything that happens with time is worked out from the clock when somebody looks.
//
// It refuses to be a whole cloud: no networks beyond ids, no RAM beyond a list of denied actions and policies that allow
// (Enforce), no billing, and no disk contents.
package fakealibaba
