package message

// RuleSQL is the one IoT rule. It lets bytes that are no JSON through, so that their
// sender can be told, and takes nothing about the sender from the payload.
const RuleSQL = `SELECT encode(*, 'base64') AS data, topic(4) AS thing, topic(5) AS action, clientid() AS client_id, ` +
	`principal() AS principal, traceid() AS trace_id, timestamp() AS received_at FROM 'dash/v1/up/+/+'`

// RuleEvent is what [RuleSQL] makes of a message: the event of the replenish function,
// and what its queues hold.
type RuleEvent struct {
	Data       []byte `json:"data"` // the payload, in base64
	Thing      string `json:"thing"`
	Action     string `json:"action"`
	ClientID   string `json:"client_id"`
	Principal  string `json:"principal"`
	TraceID    string `json:"trace_id"`
	ReceivedAt int64  `json:"received_at"` // milliseconds since 1970
}
