package iterabletest

import (
	"maps"
	"net/http"
	"slices"
)

var (
	deviceShape = object(fields{
		"email": {kind: text}, "userId": {kind: text}, "preferUserId": {kind: boolean},
		"device": {object(fields{
			"token": {text, true}, "applicationName": {text, true}, "dataFields": {kind: open},
			"platform": {oneOf("APNS", "APNS_SANDBOX", "GCM"), true},
		}), true},
	})
	disableShape = object(fields{"token": {text, true}, "email": {kind: text}, "userId": {kind: text}})
	browserShape = object(fields{"browserToken": {text, true}, "email": {kind: text}, "userId": {kind: text}})
)

// maxTokens is how many devices a profile may have, and how many browser
// tokens.
//
// Source: https://api.iterable.com/api/docs#users_registerDeviceToken
const maxTokens = 500

// registerDeviceToken is POST /api/users/registerDeviceToken.
func (f *Fake) registerDeviceToken(c call) reply {
	device := objectOf(c.sent, "device")
	token := textOf(device, "token")
	if token == "" { // as observed
		return said(http.StatusInternalServerError, "GenericError", "An error occurred", nil)
	}
	r := record{identity: whom(c.sent), prefer: flag(c.sent, "preferUserId")}
	if x := f.judge(r, ReasonNotFound); x != nil {
		return refusal(x[0], http.StatusConflict)
	}
	if p, _ := f.find(r.identity); p != nil && p.deviceAt(token) < 0 && len(p.more().devices) >= maxTokens {
		return badParams("The user has too many devices", nil)
	}
	f.later(c.now, func() { f.upsert(r, c.now).addDevice(device) })
	return success("")
}

func (p *person) deviceAt(token string) int {
	return slices.IndexFunc(p.more().devices, func(d map[string]any) bool { return textOf(d, "token") == token })
}

// addDevice adds a device, or merges its fields into the one with its token.
func (p *person) addDevice(device map[string]any) {
	i := p.deviceAt(textOf(device, "token"))
	if i < 0 {
		i = len(p.more().devices)
		p.extra.devices = append(p.extra.devices, make(map[string]any))
	}
	stored := p.extra.devices[i]
	maps.Copy(stored, objectOf(device, "dataFields"))
	for _, name := range []string{"token", "applicationName", "platform"} {
		stored[name] = device[name]
	}
	stored["endpointEnabled"] = true
}

// disableDevice is POST /api/users/disableDevice: of one user, or of all who
// have the token.
func (f *Fake) disableDevice(c call) reply {
	id, token := whom(c.sent), textOf(c.sent, "token")
	if !id.hasEmail && !id.hasUserID {
		f.later(c.now, func() {
			for _, p := range f.people.everybody() {
				p.disable(token)
			}
		})
		return success("")
	}
	if x := f.judgeKnown(id); x != nil {
		return refusal(x[0], http.StatusBadRequest)
	}
	f.later(c.now, func() {
		if p, _ := f.find(id); p != nil {
			p.disable(token)
		}
	})
	return success("")
}

func (p *person) disable(token string) {
	if p.extra == nil {
		return
	}
	if i := p.deviceAt(token); i >= 0 {
		p.extra.devices[i]["endpointEnabled"] = false
	}
}

// registerBrowserToken is POST /api/users/registerBrowserToken.
func (f *Fake) registerBrowserToken(c call) reply {
	token, r := textOf(c.sent, "browserToken"), record{identity: whom(c.sent)}
	if token == "" {
		return badParams("browserToken must not be empty", nil)
	}
	if x := f.judge(r, ReasonNotFound); x != nil {
		return refusal(x[0], http.StatusConflict)
	}
	if p, _ := f.find(r.identity); p != nil && !slices.Contains(p.more().browsers, token) && len(p.extra.browsers) >= maxTokens {
		return badParams("The user has too many browser tokens", nil)
	}
	f.later(c.now, func() {
		x := f.upsert(r, c.now).more()
		if !slices.Contains(x.browsers, token) {
			x.browsers = append(x.browsers, token)
		}
	})
	return success("")
}
