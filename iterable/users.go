package iterable

import (
	"context"
	"encoding/json"

	"github.com/iteramp/iteramp/internal/rest"
)

// UsersService reads and writes user profiles, and what belongs to them.
//
// A write that was accepted can take up to a minute to show. Calls for one user
// and bulk calls are separate ways into Iterable: nothing says which of two
// arrives first.
//
// Reference: https://api.iterable.com/api/docs#users
type UsersService struct{ core *core }

// User is a profile.
type User struct {
	Email  string `json:"email,omitzero"` // may be missing where the userId identifies
	UserID string `json:"userId,omitzero"`
	// DataFields are all fields of the profile, Iterable's own among them, with
	// numbers as they came.
	DataFields json.RawMessage `json:"dataFields,omitzero"`
}

// Get returns the user with the userId, or an [ErrNotFound].
//
// Reference: https://api.iterable.com/api/docs#users_getUserById
func (s *UsersService) Get(ctx context.Context, userID string) (User, error) {
	return s.get(ctx, rest.Call{Path: "/api/users/byUserId", Query: identity{UserID: userID}, Private: hide(userID)})
}

// GetByEmail returns the user with the e-mail address, or an [ErrNotFound].
//
// Reference: https://api.iterable.com/api/docs#users_getUser
func (s *UsersService) GetByEmail(ctx context.Context, email string) (User, error) {
	return s.get(ctx, rest.Call{Path: "/api/users/getByEmail", Query: identity{Email: email}, Private: hide(email)})
}

// GetByPath is [UsersService.Get] by the older endpoint, which has the userId in
// its path and so in the access logs of proxies.
//
// Reference: https://api.iterable.com/api/docs#users_getUserById
func (s *UsersService) GetByPath(ctx context.Context, userID string) (User, error) {
	return s.get(ctx, rest.Call{Path: "/api/users/byUserId/{userId}", Args: []string{userID}})
}

// GetByEmailPath is [UsersService.GetByEmail] by the older endpoint, which has the
// address in its path.
//
// Reference: https://api.iterable.com/api/docs#users_getUser
func (s *UsersService) GetByEmailPath(ctx context.Context, email string) (User, error) {
	return s.get(ctx, rest.Call{Path: "/api/users/{email}", Args: []string{email}})
}

// get tells the many ways in which Iterable says that it has no such user from
// failures: an object without a user, and refusals with status 400, 404 and 500,
// of which the last is not to be repeated.
func (s *UsersService) get(ctx context.Context, call rest.Call) (User, error) {
	call.Method, call.Idempotent = "GET", true
	call.Final = func(resp *rest.Response) bool { return newError(resp, "").notFound() }
	resp, err := s.core.send(ctx, call)
	if err != nil {
		return User{}, err
	}
	var fields map[string]json.RawMessage
	var user *User
	switch {
	case json.Unmarshal(resp.Body, &fields) != nil || fields == nil:
		return User{}, newError(resp, otherShape)
	case !present(fields["user"]):
		return User{}, withKind(resp, ErrNotFound, noUser)
	case json.Unmarshal(fields["user"], &user) != nil:
		return User{}, newError(resp, otherShape)
	}
	return *user, nil
}

// identity is one of the two, in a query or a body.
type identity struct {
	Email  string `json:"email,omitzero" url:"email,omitempty"`
	UserID string `json:"userId,omitzero" url:"userId,omitempty"`
}

// UserUpdate is what to write to a user's profile. One of Email and UserID
// identifies the user; both are for hybrid projects only.
type UserUpdate struct {
	Email  string `json:"email,omitzero"`
	UserID string `json:"userId,omitzero"`
	// DataFields are the profile's fields, a map, a struct, or a json.RawMessage,
	// which is sent as it is. Fields that are not named stay.
	DataFields any `json:"dataFields,omitempty"`
	// PreferUserID creates a user known by UserID alone, with a placeholder
	// address. It acts in e-mail based projects, where such a record is refused
	// otherwise; the other projects create the user in any case.
	PreferUserID bool `json:"preferUserId,omitzero"`
	// MergeNestedObjects merges objects in DataFields one level deep instead of
	// replacing them.
	MergeNestedObjects bool `json:"mergeNestedObjects,omitzero"`
}

func (u UserUpdate) record() record {
	u.DataFields = object(u.DataFields)
	return record{email: u.Email, userID: u.UserID, body: u}
}

// UserUpdateRequest is what to write to one user's profile. The fields are those of
// [UserUpdate], and one more.
type UserUpdateRequest struct {
	Email              string `json:"email,omitzero"`
	UserID             string `json:"userId,omitzero"`
	DataFields         any    `json:"dataFields,omitempty"`
	PreferUserID       bool   `json:"preferUserId,omitzero"`
	MergeNestedObjects bool   `json:"mergeNestedObjects,omitzero"`
	// CreateNewFields says whether fields that the project does not know join it
	// or are dropped. Nil leaves it to the project's setting.
	CreateNewFields *bool `json:"createNewFields,omitzero"`
}

// Update creates the user, or sets the fields named in DataFields and keeps the
// rest. An email or userId in DataFields changes that identifier, where the
// project's type allows it.
//
// It is safe to repeat, except where it changes the identifier that it goes by: the
// first execution leaves nobody under the old one. A user forgotten by privacy
// request is an [ErrForgotten], an identifier that belongs to somebody else an
// [ErrConflict].
//
// Reference: https://api.iterable.com/api/docs#users_updateUser
func (s *UsersService) Update(ctx context.Context, req UserUpdateRequest) error {
	req.DataFields = object(req.DataFields)
	return s.core.write(ctx, rest.Call{
		Method: "POST", Path: "/api/users/update", Body: req, Idempotent: true,
		Private: hide(req.Email, req.UserID),
	})
}

// UserBulkUpdateRequest is what to write to many users' profiles.
type UserBulkUpdateRequest struct {
	Users           []UserUpdate // any number
	CreateNewFields *bool        // as in [UserUpdateRequest]
}

// BulkUpdate does for many users what [UsersService.Update] does for one. It sends
// at most 1,000 users and 3.5 MB in a request, one after another, and is safe to
// repeat likewise.
//
// The error is nil if all were accepted, else a [*BatchError] with those who were
// not.
//
// Reference: https://api.iterable.com/api/docs#users_bulkUpdateUser
func (s *UsersService) BulkUpdate(ctx context.Context, req UserBulkUpdateRequest) (BulkResult, error) {
	records := make([]record, len(req.Users))
	for i, u := range req.Users {
		records[i] = u.record()
	}
	b := bulk{core: s.core, path: "/api/users/bulkUpdate", idempotent: always, request: func(users []json.RawMessage) any {
		return struct {
			Users           []json.RawMessage `json:"users"`
			CreateNewFields *bool             `json:"createNewFields,omitzero"`
		}{users, req.CreateNewFields}
	}}
	return b.run(ctx, records)
}

// Delete deletes the user with the userId; in e-mail based projects everybody who
// has it. It happens some time after the call, does not keep the user from being
// created again, and is safe to repeat. A user who does not exist is an [Error]
// with code BadParams.
//
// Reference: https://api.iterable.com/api/docs#users_delete
func (s *UsersService) Delete(ctx context.Context, userID string) error {
	return s.core.write(ctx, rest.Call{
		Method: "DELETE", Path: "/api/users/byUserId/{userId}", Args: []string{userID}, Idempotent: true,
	})
}

// DeleteByEmail is [UsersService.Delete] by e-mail address, for e-mail based and
// hybrid projects.
//
// Reference: https://api.iterable.com/api/docs#users_delete
func (s *UsersService) DeleteByEmail(ctx context.Context, email string) error {
	return s.core.write(ctx, rest.Call{
		Method: "DELETE", Path: "/api/users/{email}", Args: []string{email}, Idempotent: true,
	})
}

// Fields are the fields of the project's user profiles, with the names of their
// types: string, date, long, double, boolean, geo_location, object, nested. Iterable
// answers 3 requests a second.
//
// Reference: https://api.iterable.com/api/docs#users_getUserFields
func (s *UsersService) Fields(ctx context.Context) (map[string]string, error) {
	var fields map[string]string
	err := s.core.field(ctx, rest.Call{Method: "GET", Path: "/api/users/getFields", Idempotent: true}, "fields", &fields)
	return fields, err
}
