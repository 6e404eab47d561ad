package amplitudetest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kinds are the fields of an event whose type the reference states. A field
// that is not listed may hold anything.
//
// Source: https://amplitude.com/docs/apis/analytics/http-v2, and for library,
// version_name, receipt, receiptSig, ingestion_metadata and partner_id what
// Amplitude's own SDKs send.
var kinds = map[string]func(any) bool{
	"user_id": isText, "device_id": isText, "event_type": isText, "insert_id": isText,
	"app_version": isText, "version_name": isText, "platform": isText, "os_name": isText, "os_version": isText,
	"device_brand": isText, "device_manufacturer": isText, "device_model": isText, "carrier": isText,
	"country": isText, "region": isText, "city": isText, "dma": isText, "language": isText, "ip": isText,
	"user_agent": isText, "library": isText, "partner_id": isText,
	"productId": isText, "revenueType": isText, "currency": isText, "receipt": isText, "receiptSig": isText,
	"idfa": isText, "idfv": isText, "adid": isText, "android_id": isText, "android_app_set_id": isText,
	"time": isInteger, "session_id": isInteger, "event_id": isInteger, "quantity": isInteger,
	"price": isNumber, "revenue": isNumber, "location_lat": isNumber, "location_lng": isNumber,
	"$skip_user_properties_sync": isBool,
	"event_properties":           isObject,
	"user_properties":            isProperties, "group_properties": isProperties,
	"groups": isGroups, "plan": isObject, "ingestion_metadata": isObject,
}

// reservedIDs are refused in user_id and device_id. Whether case matters is
// not stated; the fake refuses them in any.
var reservedIDs = map[string]bool{
	"": true, "anonymous": true, "nil": true, "none": true, "null": true, "n/a": true, "na": true,
	"undefined": true, "unknown": true, `""`: true, "{}": true, "lmy47d": true, "0": true, "-1": true,
	"00000000-0000-0000-0000-000000000000": true,
}

// reservedTypes are Amplitude's own events. The reference says that they
// cannot be used and not what happens; the fake takes it by its word.
var reservedTypes = map[string]bool{
	"[Amplitude] Start Session": true, "[Amplitude] End Session": true, "[Amplitude] Revenue": true,
	"[Amplitude] Revenue (Verified)": true, "[Amplitude] Revenue (Unverified)": true, "[Amplitude] Merged User": true,
}

// faults collects what is wrong with the events of one request, by field.
type faults struct {
	missing, invalid, lengths map[string][]int

	minIDLength int
	stripShort  bool
	firstOnly   bool
}

// validate refuses the request if any of its events has a fault: nothing of it
// is stored then. It takes ids that are too short off their events if that is
// the rule.
func (f *Fake) validate(up upload) *reply {
	x := faults{minIDLength: up.minIDLength, stripShort: f.StripShortIDs, firstOnly: f.FirstIndexOnly}
	for i, e := range up.events {
		x.checkTypes(i, e)
		x.checkEventType(i, e)
		x.checkIDs(i, e)
	}
	return x.reply()
}

// reply holds all maps at once, as the reference shows them; the text goes by
// the first that is not empty.
func (x *faults) reply() *reply {
	var r reply
	switch {
	case x.missing != nil:
		r = refused("Request missing required field")
	case x.invalid != nil:
		r = refused("Invalid field values on some events")
	case x.lengths != nil:
		r = refused("Invalid id length for user_id or device_id")
	default:
		return nil
	}
	r.MissingFields, r.InvalidFields, r.InvalidIDLengths = x.missing, x.invalid, x.lengths
	return &r
}

func (x *faults) add(to *map[string][]int, field string, index int) {
	if *to == nil {
		*to = make(map[string][]int)
	}
	if x.firstOnly && len((*to)[field]) > 0 {
		return
	}
	(*to)[field] = append((*to)[field], index)
}

func (x *faults) checkTypes(i int, e map[string]any) {
	for field, value := range e {
		if is := kinds[field]; is != nil && !is(value) {
			x.add(&x.invalid, field, i)
		}
	}
}

func (x *faults) checkEventType(i int, e map[string]any) {
	switch name, sent := e["event_type"]; {
	case !sent || name == "":
		x.add(&x.missing, "event_type", i)
	case reservedTypes[text(e, "event_type")]:
		x.add(&x.invalid, "event_type", i)
	}
}

func (x *faults) checkIDs(i int, e map[string]any) {
	sent, short := 0, ""
	for _, field := range []string{"user_id", "device_id"} {
		value, ok := e[field]
		id, isText := value.(string)
		switch {
		case !ok:
			continue
		case !isText: // an invalid field already
		case reservedIDs[strings.ToLower(id)]:
			x.add(&x.invalid, field, i)
		case utf8.RuneCountInString(id) < x.minIDLength:
			if short = field; x.stripShort {
				delete(e, field)
				continue
			}
			x.add(&x.lengths, field, i)
		}
		sent++
	}
	switch {
	case sent > 0:
	case short != "": // stripped, and no other is left
		x.add(&x.lengths, short, i)
	default:
		// One of the two is required; under which name the lack of both is
		// reported is not documented.
		x.add(&x.missing, "user_id", i)
	}
}

func isText(v any) bool { _, ok := v.(string); return ok }
func isBool(v any) bool { _, ok := v.(bool); return ok }

func isInteger(v any) bool {
	n, _ := v.(json.Number)
	_, err := strconv.ParseInt(string(n), 10, 64)
	return err == nil
}

func isNumber(v any) bool {
	n, _ := v.(json.Number)
	_, err := n.Float64()
	return err == nil
}

// maxNesting counts the properties object itself as the first level.
const maxNesting = 40

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok && nests(v, maxNesting)
}

func nests(v any, levels int) bool {
	switch v := v.(type) {
	case map[string]any:
		return levels > 0 && all(maps.Values(v), func(v any) bool { return nests(v, levels-1) })
	case []any:
		return levels > 0 && all(slices.Values(v), func(v any) bool { return nests(v, levels-1) })
	}
	return true
}

// isProperties is true for plain properties and for operators. The two cannot
// be mixed, says the reference, and not what happens if they are.
func isProperties(v any) bool {
	properties, ok := v.(map[string]any)
	if !ok || !nests(v, maxNesting) {
		return false
	}
	operators := 0
	for name, value := range properties {
		if !isOperator(name) {
			continue
		}
		operators++
		if _, ok := value.(map[string]any); !ok && name != "$clearAll" {
			return false
		}
	}
	return operators == 0 || operators == len(properties)
}

// isGroups takes a name or a list of names for each type. Amplitude's SDKs let
// a name be a number.
func isGroups(v any) bool {
	groups, ok := v.(map[string]any)
	return ok && all(maps.Values(groups), func(v any) bool {
		if names, ok := v.([]any); ok {
			return all(slices.Values(names), isName)
		}
		return isName(v)
	})
}

func isName(v any) bool { return isText(v) || isNumber(v) || isBool(v) }

func all(seq func(yield func(any) bool), is func(any) bool) bool {
	for v := range seq {
		if !is(v) {
			return false
		}
	}
	return true
}
