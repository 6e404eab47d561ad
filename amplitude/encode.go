package amplitude

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/iteramp/iteramp/internal/jsonscan"
)

// MarshalJSON encodes e as the upload APIs take it.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// UnmarshalJSON decodes what MarshalJSON encodes. Properties become
// [json.RawMessage], with their numbers exact.
func (e *Event) UnmarshalJSON(b []byte) error {
	type plain Event // without the methods
	in := struct {
		*plain
		Time            int64           `json:"time"`
		EventProperties json.RawMessage `json:"event_properties"`
		UserProperties  json.RawMessage `json:"user_properties"`
		GroupProperties json.RawMessage `json:"group_properties"`
	}{plain: (*plain)(e)}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if in.Time != 0 {
		e.Time = time.UnixMilli(in.Time).UTC()
	}
	for _, p := range []struct {
		raw json.RawMessage
		to  *any
	}{
		{in.EventProperties, &e.EventProperties},
		{in.UserProperties, &e.UserProperties},
		{in.GroupProperties, &e.GroupProperties},
	} {
		if p.raw != nil {
			*p.to = p.raw
		}
	}
	return nil
}

// AppendJSON appends the JSON of e to b, without allocating where the
// properties are a [json.RawMessage]. It fails if a property set does not
// encode to an object or a number is not finite; b then comes back unchanged.
func (e *Event) AppendJSON(b []byte) ([]byte, error) {
	o := object{buf: append(b, '{')}
	o.string("user_id", e.UserID)
	o.string("device_id", e.DeviceID)
	o.buf = jsonscan.AppendString(o.key("event_type"), e.EventType)
	if !e.Time.IsZero() {
		o.buf = strconv.AppendInt(o.key("time"), e.Time.UnixMilli(), 10)
	}
	o.string("insert_id", e.InsertID)
	o.int("event_id", e.EventID)
	o.int("session_id", e.SessionID)
	o.properties("event_properties", e.EventProperties)
	o.properties("user_properties", e.UserProperties)
	if len(e.Groups) > 0 {
		o.properties("groups", e.Groups)
	}
	o.properties("group_properties", e.GroupProperties)
	if e.SkipUserPropertiesSync {
		o.buf = append(o.key("$skip_user_properties_sync"), "true"...)
	}
	o.string("app_version", e.AppVersion)
	o.string("version_name", e.VersionName)
	o.string("platform", e.Platform)
	o.string("os_name", e.OSName)
	o.string("os_version", e.OSVersion)
	o.string("device_brand", e.DeviceBrand)
	o.string("device_manufacturer", e.DeviceManufacturer)
	o.string("device_model", e.DeviceModel)
	o.string("carrier", e.Carrier)
	o.string("user_agent", e.UserAgent)
	o.string("language", e.Language)
	o.string("ip", e.IP)
	o.string("country", e.Country)
	o.string("region", e.Region)
	o.string("city", e.City)
	o.string("dma", e.DMA)
	o.float("location_lat", e.LocationLat)
	o.float("location_lng", e.LocationLng)
	o.float("price", e.Price)
	o.int("quantity", e.Quantity)
	o.float("revenue", e.Revenue)
	o.string("productId", e.ProductID)
	o.string("revenueType", e.RevenueType)
	o.string("currency", e.Currency)
	o.string("receipt", e.Receipt)
	o.string("receiptSig", e.ReceiptSig)
	o.string("idfa", e.IDFA)
	o.string("idfv", e.IDFV)
	o.string("adid", e.ADID)
	o.string("android_id", e.AndroidID)
	o.string("android_app_set_id", e.AndroidAppSetID)
	if e.Plan != nil {
		o.properties("plan", e.Plan)
	}
	if e.IngestionMetadata != nil {
		o.properties("ingestion_metadata", e.IngestionMetadata)
	}
	o.string("partner_id", e.PartnerID)
	o.string("library", e.Library)
	if o.err != nil {
		return b, o.err
	}
	return append(o.buf, '}'), nil
}

// object appends the members of a JSON object. The first failure is kept.
type object struct {
	buf []byte
	err error
}

// key appends a member's name and returns the buffer for its value. The names
// are constants that need no escaping.
func (o *object) key(name string) []byte {
	b := o.buf
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func (o *object) string(name, v string) {
	if v != "" {
		o.buf = jsonscan.AppendString(o.key(name), v)
	}
}

func (o *object) int(name string, v *int64) {
	if v != nil {
		o.buf = strconv.AppendInt(o.key(name), *v, 10)
	}
}

func (o *object) float(name string, v *float64) {
	if v == nil {
		return
	}
	if math.IsNaN(*v) || math.IsInf(*v, 0) {
		o.fail(name, errors.New("is not a finite number"))
		return
	}
	o.buf = strconv.AppendFloat(o.key(name), *v, 'g', -1, 64)
}

func (o *object) fail(name string, err error) {
	if o.err == nil {
		o.err = fmt.Errorf("%s %w", name, err)
	}
}

var errNoObject = errors.New("does not encode to a JSON object")

// properties appends a set of properties; nil of any kind is left out.
func (o *object) properties(name string, v any) {
	switch v := v.(type) {
	case nil:
	case json.RawMessage:
		o.raw(name, v)
	default:
		enc := encoders.Get().(*encoder)
		defer encoders.Put(enc)
		enc.buf.Reset()
		if err := enc.Encode(v); err != nil {
			o.fail(name, errNoObject) // the encoder's own text may quote the data
			return
		}
		o.encoded(name, bytes.TrimSuffix(enc.buf.Bytes(), []byte("\n")))
	}
}

func (o *object) raw(name string, v json.RawMessage) {
	switch {
	case len(v) == 0 || string(v) == "null":
	case !isObject(v):
		o.fail(name, errNoObject)
	default:
		o.buf = append(o.key(name), v...)
	}
}

// encoded appends what encoding/json made, which needs no second check.
func (o *object) encoded(name string, v []byte) {
	switch {
	case string(v) == "null":
	case v[0] != '{':
		o.fail(name, errNoObject)
	default:
		o.buf = append(o.key(name), v...)
	}
}

// encoder is a json.Encoder with its buffer.
type encoder struct {
	*json.Encoder
	buf bytes.Buffer
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.Encoder = json.NewEncoder(&e.buf)
	e.SetEscapeHTML(false)
	return e
}}

// isObject says whether b is one JSON object in UTF-8. Anything else would
// spoil the whole request it travels in.
func isObject(b []byte) bool {
	return jsonscan.IsObject(b) && utf8.Valid(b)
}
