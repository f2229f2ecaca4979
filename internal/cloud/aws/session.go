package aws

import sdk "github.com/aws/aws-sdk-go-v2/aws"

// Session is how the account signs in and where it is reached, for a client of another of Amazon's services.
func (p *Provider) Session() sdk.Config { return p.base.Copy() }
