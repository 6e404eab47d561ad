package iterable

import (
	"context"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// DevicePlatform is how a device gets its push messages.
type DevicePlatform string

// The platforms.
const (
	DevicePlatformAPNS        DevicePlatform = "APNS"
	DevicePlatformAPNSSandbox DevicePlatform = "APNS_SANDBOX"
	DevicePlatformGCM         DevicePlatform = "GCM" // Firebase
)

// Device is an app on a device that can get push messages.
type Device struct {
	Token           string         `json:"token"`
	Platform        DevicePlatform `json:"platform"`
	ApplicationName string         `json:"applicationName"` // the name of the push integration
	// DataFields are merged into what Iterable keeps of the device: a map, a
	// struct or a json.RawMessage.
	DataFields any `json:"dataFields,omitempty"`
}

// UserRegisterDeviceTokenRequest gives a user a device.
type UserRegisterDeviceTokenRequest struct {
	Email        string `json:"email,omitzero"` // one of the two
	UserID       string `json:"userId,omitzero"`
	Device       Device `json:"device"`
	PreferUserID bool   `json:"preferUserId,omitzero"` // as in [UserUpdate]
}

// RegisterDeviceToken gives a user a device, and creates the user in e-mail based
// projects. A profile has 500 devices at most; the next is an [Error] with status
// 400. It is safe to repeat.
//
// Reference: https://api.iterable.com/api/docs#users_registerDeviceToken
func (s *UsersService) RegisterDeviceToken(ctx context.Context, req UserRegisterDeviceTokenRequest) error {
	req.Device.DataFields = object(req.Device.DataFields)
	return s.core.write(ctx, rest.Call{
		Method: "POST", Path: "/api/users/registerDeviceToken", Body: req, Idempotent: true,
		Private: hide(req.Email, req.UserID, req.Device.Token),
	})
}

// UserDisableDeviceRequest takes a device from the user named, or, without Email and
// UserID, from everybody who has it.
type UserDisableDeviceRequest struct {
	Token  string `json:"token"`
	Email  string `json:"email,omitzero"`
	UserID string `json:"userId,omitzero"`
}

// DisableDevice ends push messages to a device. It is safe to repeat.
//
// Reference: https://api.iterable.com/api/docs#users_disableDevice
func (s *UsersService) DisableDevice(ctx context.Context, req UserDisableDeviceRequest) error {
	return s.core.write(ctx, rest.Call{
		Method: "POST", Path: "/api/users/disableDevice", Body: req, Idempotent: true,
		Private: hide(req.Email, req.UserID, req.Token),
	})
}

// UserRegisterBrowserTokenRequest gives a user a browser for web push.
type UserRegisterBrowserTokenRequest struct {
	BrowserToken string `json:"browserToken"`   // Firebase's
	Email        string `json:"email,omitzero"` // one of the two
	UserID       string `json:"userId,omitzero"`
}

// RegisterBrowserToken gives a user a browser for web push, and creates the user in
// e-mail based projects if it is by e-mail address. A profile has 500 browsers at
// most; the next is an [Error] with status 400. It is safe to repeat.
//
// Reference: https://api.iterable.com/api/docs#users_registerBrowserToken
func (s *UsersService) RegisterBrowserToken(ctx context.Context, req UserRegisterBrowserTokenRequest) error {
	return s.core.write(ctx, rest.Call{
		Method: "POST", Path: "/api/users/registerBrowserToken", Body: req, Idempotent: true,
		Private: hide(req.Email, req.UserID, req.BrowserToken),
	})
}

// UserInvalidateJWTsRequest says which tokens of a user end.
type UserInvalidateJWTsRequest struct {
	Email        string // one of the two
	UserID       string
	IssuedBefore time.Time // to the millisecond; zero leaves it out
}

// InvalidateJWTs ends the tokens by which a user's apps call Iterable, those issued
// before a time. It concerns keys with JWT, which apps have. It is safe to repeat.
//
// Reference: https://api.iterable.com/api/docs#users_Invalidate_JWT
func (s *UsersService) InvalidateJWTs(ctx context.Context, req UserInvalidateJWTsRequest) error {
	body := struct {
		identity
		IssuedBefore *int64 `json:"issuedBefore,omitzero"`
	}{identity: identity{req.Email, req.UserID}}
	if !req.IssuedBefore.IsZero() {
		body.IssuedBefore = new(req.IssuedBefore.UnixMilli())
	}
	return s.core.take(ctx, rest.Call{
		Method: "POST", Path: "/api/auth/jwts/invalidate", Body: body, Idempotent: true,
		Private: hide(req.Email, req.UserID),
	})
}
