"""Things, certificates, a policy and a thing group in an AWS account: made, and removed again."""
