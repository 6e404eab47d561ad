package iterable

import (
	"context"

	"github.com/iteramp/iteramp/internal/rest"
)

// UserUpdateEmailRequest changes a user's e-mail address.
type UserUpdateEmailRequest struct {
	// One of the two says who it is; CurrentEmail wins.
	CurrentEmail  string `json:"currentEmail,omitzero"`
	CurrentUserID string `json:"currentUserId,omitzero"`
	NewEmail      string `json:"newEmail"`
}

// UpdateEmail changes the e-mail address of a user, in e-mail based projects; in
// the others [UsersService.Update] does, by DataFields. An address that is taken is
// an [Error] with code EmailAlreadyExists.
//
// A repeat would look for the old address in vain, so it is not repeated after it
// was cut off.
//
// Reference: https://api.iterable.com/api/docs#users_updateEmail
func (s *UsersService) UpdateEmail(ctx context.Context, req UserUpdateEmailRequest) error {
	return s.core.write(ctx, rest.Call{
		Method: "POST", Path: "/api/users/updateEmail", Body: req,
		Private: hide(req.CurrentEmail, req.CurrentUserID, req.NewEmail),
	})
}

// UserMergeRequest makes one user of two. Of each pair one identifies the user.
type UserMergeRequest struct {
	SourceEmail       string `json:"sourceEmail,omitzero"` // who goes
	SourceUserID      string `json:"sourceUserId,omitzero"`
	DestinationEmail  string `json:"destinationEmail,omitzero"` // who stays
	DestinationUserID string `json:"destinationUserId,omitzero"`
	// ArrayMerge names the arrays of both profiles that are joined. Of others the
	// destination's stays.
	ArrayMerge []ArrayMerge `json:"arrayMerge,omitzero"`
}

// ArrayMerge is an array of two profiles to join. Those that Iterable manages itself
// cannot be.
type ArrayMerge struct {
	Field string `json:"field"`
	// DedupeBy is the key of the array's objects by which they are the same.
	// Without it equal elements are.
	DedupeBy string `json:"dedupeBy,omitzero"`
}

// Merge moves all of the source to the destination and deletes the source. Where
// both have a field, the destination's stays. A destination that does not exist
// makes the source go by its name; a source that does not exist is an [Error].
//
// It cannot be undone. A repeat would look for the source in vain, so it is not
// repeated after it was cut off.
//
// Reference: https://api.iterable.com/api/docs#users_mergeUsers
func (s *UsersService) Merge(ctx context.Context, req UserMergeRequest) error {
	return s.core.write(ctx, rest.Call{
		Method: "POST", Path: "/api/users/merge", Body: req,
		Private: hide(req.SourceEmail, req.SourceUserID, req.DestinationEmail, req.DestinationUserID),
	})
}

// UserForgetRequest names a user for a privacy request: by e-mail address in e-mail
// based projects, by userId in userId based ones, by either in hybrid ones.
type UserForgetRequest struct {
	Email  string `json:"email,omitzero"`
	UserID string `json:"userId,omitzero"`
}

// Forget deletes a user's data and lets nothing more be written to them, which
// takes about ten minutes to take effect. It is safe to repeat.
//
// Iterable takes 3 requests a second and 1,000 in 24 hours. Past those the call
// waits, which can be hours: give it a deadline.
//
// Reference: https://api.iterable.com/api/docs#users_forget
func (s *UsersService) Forget(ctx context.Context, req UserForgetRequest) error {
	return s.forget(ctx, "/api/users/forget", req)
}

// Unforget lets a forgotten user be written to again. It brings no data back, has
// the limits of [UsersService.Forget] and is safe to repeat.
//
// Reference: https://api.iterable.com/api/docs#users_unforget
func (s *UsersService) Unforget(ctx context.Context, req UserForgetRequest) error {
	return s.forget(ctx, "/api/users/unforget", req)
}

func (s *UsersService) forget(ctx context.Context, path string, req UserForgetRequest) error {
	return s.core.write(ctx, rest.Call{
		Method: "POST", Path: path, Body: req, Idempotent: true, Private: hide(req.Email, req.UserID),
	})
}

// Forgotten returns the hashes of the forgotten users' addresses: SHA-256 of the
// address in lower case, without space around it. UserId based projects refuse it.
//
// Reference: https://api.iterable.com/api/docs#users_exportProjectForgottenUsers
func (s *UsersService) Forgotten(ctx context.Context) ([]string, error) {
	return s.hashes(ctx, "/api/users/forgotten", "hashedEmails")
}

// ForgottenUserIDs returns the hashes of the forgotten users' userIds, made like
// those of [UsersService.Forgotten]. E-mail based projects refuse it.
//
// Reference: https://api.iterable.com/api/docs#users_exportProjectForgottenUserIds
func (s *UsersService) ForgottenUserIDs(ctx context.Context) ([]string, error) {
	return s.hashes(ctx, "/api/users/forgottenUserIds", "hashedUserIds")
}

func (s *UsersService) hashes(ctx context.Context, path, field string) ([]string, error) {
	var hashes []string
	err := s.core.field(ctx, rest.Call{Method: "GET", Path: path, Idempotent: true, MaxBody: 64 << 20}, field, &hashes)
	return hashes, err
}
