package iterable

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
	return record{email: u.Email, userID: u.UserID, body: u}
}
