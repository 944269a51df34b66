package lwatest

// SetLimits lets a test reach the bounds on grants and access tokens.
func (s *Server) SetLimits(grants, access int) { s.maxGrants, s.maxAccess = grants, access }

// MaxCodes is the bound on live codes.
const MaxCodes = maxCodes
