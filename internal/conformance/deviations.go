package conformance

import "strings"

// deviation is a place where Iterable's API is not as its Swagger file has it. The
// file must say what the deviation says it does, and an exchange must need it.
type deviation struct {
	// at is the path in the file. An element of an array goes by its name, - is the
	// place after the last, and * stands for any.
	at  []string
	was string // JSON; "" for nothing
	is  string // JSON; "" for nothing
	why string
}

func definition(name string, at ...string) []string {
	return append([]string{"definitions", name}, at...)
}

func property(of, name string, at ...string) []string {
	return definition(of, append([]string{"properties", name}, at...)...)
}

func operation(op string, at ...string) []string {
	method, path, _ := strings.Cut(op, " ")
	return append([]string{"paths", path, strings.ToLower(method)}, at...)
}

func everyOperation(at ...string) []string { return append([]string{"paths", "*", "*"}, at...) }

const (
	milliseconds = "it is milliseconds since 1970, which 32 bits do not hold"
	idIsInteger  = "ids are integers, their type got lost where the file was generated"
	anyOperation = "every operation can be answered so, few declare it"
)

// deviations are all there are. Campaigns have ids of type number, which needs none:
// an integer is one.
var deviations = []deviation{
	{property("ListDetails", "createdAt", "format"), `"int32"`, `"int64"`, milliseconds},
	{property("CampaignDetails", "createdAt", "format"), `"int32"`, `"int64"`, milliseconds},
	{property("CampaignDetails", "updatedAt", "format"), `"int32"`, `"int64"`, milliseconds},
	{property("CampaignDetails", "startAt", "format"), `"int32"`, `"int64"`, milliseconds},
	{property("MessageTypeDetails", "createdAt", "format"), `"int32"`, `"int64"`, milliseconds},
	{property("MessageTypeDetails", "updatedAt", "format"), `"int32"`, `"int64"`, milliseconds},
	{property("InvalidateJwtRequest", "issuedBefore", "format"), `"int32"`, `"int64"`, milliseconds},

	{property("ApiWebhookResponse", "channelIds", "items", "type"), `"object"`, `"integer"`, idIsInteger},
	{property("ApiWebhookResponse", "messageTypeIds", "items", "type"), `"object"`, `"integer"`, idIsInteger},
	{property("DoubleOptInSubscriptionsRequest", "messageTypeIds", "items", "type"), `"object"`, `"integer"`, idIsInteger},
	{operation("GET /api/campaigns/metrics", "parameters", "campaignId", "items", "type"), `"object"`, `"integer"`, idIsInteger},
	{operation("GET /api/users/getSentMessages", "parameters", "campaignIds", "items", "type"), `"object"`, `"integer"`, idIsInteger},
	{property("CampaignsResponse", "totalCampaignsCount", "type"), `"object"`, `"integer"`, "a count is an integer"},

	{operation("GET /api/users/getSentMessages", "parameters", "startDateTime", "format"), `"date-time"`, "",
		"its description wants yyyy-MM-dd HH:mm:ss ZZ, which is not the date-time of Swagger"},
	{operation("GET /api/users/getSentMessages", "parameters", "endDateTime", "format"), `"date-time"`, "",
		"as startDateTime"},

	{property("IterableApiResponse", "params", "x-nullable"), "", "true",
		"it has been seen as null, as {} and not at all"},
	{property("IterableApiResponse", "code", "enum", "-"), "", `"Conflict"`,
		"the article on response codes has it for a list in use"},
	{definition("ApiResponseUser", "required"), `["email"]`, "",
		"a user of a userId based or hybrid project may have no address"},
	{property("ErrorHttpResponse", "error"), `{"$ref": "#/definitions/ErrorWithStatus"}`, `{"type": "string"}`,
		"the definition shows the insides of the web framework; a name of the error is what is sent"},
	{property("ErrorHttpResponse", "data"), `{"$ref": "#/definitions/JsObject"}`, `{"type": "object"}`,
		"the definition shows the insides of the web framework; it stands for any object"},

	{operation("GET /api/lists/{listId}/size", "produces"), "", `["text/plain"]`,
		"the answer is a number as text, as that of getUsers is"},
	{operation("POST /api/subscriptions/subscribeToDoubleOptIn", "produces"), "", `["application/json", "text/plain"]`,
		"a success is text, a refusal is JSON"},
	{operation("POST /api/subscriptions/subscribeToDoubleOptIn", "responses", "202", "schema"), "", `{"type": "string"}`,
		"a success is text"},
	{operation("POST /api/auth/jwts/invalidate", "responses", "200"), "", `{"description": ""}`,
		"the file has no success for it"},

	{everyOperation("responses", "400"), "", `{"description": ""}`, anyOperation},
	{everyOperation("responses", "429"), "", `{"description": ""}`, anyOperation},
	{everyOperation("responses", "500"), "", `{"description": ""}`, anyOperation},
	{everyOperation("responses", "503"), "", `{"description": ""}`, anyOperation},
}
