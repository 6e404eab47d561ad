package conformance

import (
	"context"

	"github.com/iteramp/iteramp/iterable"
)

var phone = iterable.Device{
	Token: "t-1", Platform: iterable.DevicePlatformAPNS, ApplicationName: "com.example.app", DataFields: map[string]any{"model": "x"},
}

var deviceUses = []use{
	{method: "Users.RegisterDeviceToken", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.RegisterDeviceToken(ctx, iterable.UserRegisterDeviceTokenRequest{UserID: bobID, Device: iterable.Device{
			Token: "t-1", Platform: iterable.DevicePlatformGCM, ApplicationName: "com.example.app",
		}})
	}},
	{method: "Users.RegisterDeviceToken", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.RegisterDeviceToken(ctx, filled(iterable.UserRegisterDeviceTokenRequest{Email: ann, UserID: "u-ann", Device: phone, PreferUserID: true}))
	}},
	{method: "Users.RegisterDeviceToken", name: "no token", status: 500, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.RegisterDeviceToken(ctx, iterable.UserRegisterDeviceTokenRequest{UserID: bobID, Device: iterable.Device{
			Platform: iterable.DevicePlatformAPNSSandbox, ApplicationName: "com.example.app",
		}})
	}},
	{method: "Users.DisableDevice", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.DisableDevice(ctx, iterable.UserDisableDeviceRequest{Token: "t-1"})
	}},
	{method: "Users.DisableDevice", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.DisableDevice(ctx, filled(iterable.UserDisableDeviceRequest{Token: "t-1", Email: ann, UserID: "u-ann"}))
	}},
	{method: "Users.DisableDevice", name: "unknown", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.DisableDevice(ctx, iterable.UserDisableDeviceRequest{Token: "t-1", UserID: "nobody"})
	}},
	{method: "Users.RegisterBrowserToken", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.RegisterBrowserToken(ctx, iterable.UserRegisterBrowserTokenRequest{BrowserToken: "b-1", UserID: bobID})
	}},
	{method: "Users.RegisterBrowserToken", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.RegisterBrowserToken(ctx, filled(iterable.UserRegisterBrowserTokenRequest{BrowserToken: "b-1", Email: ann, UserID: "u-ann"}))
	}},
	{method: "Users.RegisterBrowserToken", name: "forgotten", status: 409, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.RegisterBrowserToken(ctx, iterable.UserRegisterBrowserTokenRequest{BrowserToken: "b-1", Email: gone})
	}},
	{method: "Users.InvalidateJWTs", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.InvalidateJWTs(ctx, iterable.UserInvalidateJWTsRequest{UserID: bobID})
	}},
	{method: "Users.InvalidateJWTs", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.InvalidateJWTs(ctx, filled(iterable.UserInvalidateJWTsRequest{Email: ann, UserID: "u-ann", IssuedBefore: past}))
	}},
}
