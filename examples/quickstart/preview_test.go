package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// payload returns an example by the name of its file.
func payload(t *testing.T, file string) string {
	t.Helper()
	for name, body := range iterabletest.Payloads() {
		if name == file {
			return string(body)
		}
	}
	require.Fail(t, "there is no payload "+file)
	return ""
}

func TestPreviewShowsWhatBecomesOfAWebhook(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		file   string
		email  bool
		code   int
		golden string
	}{
		{"most fields are kept", "emailClick", false, 0, "preview-click.txt"},
		{"some are renamed, taken apart or become fields", "inAppOpen", false, 0, "preview-renamed.txt"},
		{"a profile is dropped", "emailSubscribe-custom-profile-fields", false, 0, "preview-profile.txt"},
		{"there are no fields", "inAppSendSkip-missing-datafields", false, 0, "preview-no-fields.txt"},
		{"an event nobody has documented", "unknown-event", false, 0, "preview-unknown.txt"},
		{"nobody's event is skipped", "emailOpen-legacy-device", false, 1, "preview-skipped.txt"},
		{"unless e-mail addresses will do", "emailOpen-legacy-device", true, 0, "preview-email.txt"},
		{"which not every user has", "inAppRecall", true, 1, "preview-nobody.txt"},
		{"a placeholder for a user is skipped", "emailSend-reserved-userid", false, 1, "preview-placeholder.txt"},
		{"a journey's webhook is refused", "journey-webhook-basic", false, 2, "preview-journey.txt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"-preview", "-"}
			if tt.email {
				args = append(args, "-email")
			}
			code, stdout, stderr := quickstart(t, nil, payload(t, tt.file), args...)
			require.Empty(t, stderr)
			require.Equal(t, tt.code, code)
			golden(t, tt.golden, stdout)
		})
	}
}

func TestPreviewFitsATerminalWhateverComes(t *testing.T) {
	t.Parallel()
	for name, body := range iterabletest.Payloads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quickstart(t, nil, string(body), "-preview", "-") // it looks at the width
		})
	}
}

func TestPreviewReadsAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "click.json")
	require.NoError(t, os.WriteFile(file, []byte(payload(t, "emailClick")), 0o600))
	code, stdout, _ := quickstart(t, nil, "", "-preview", file)
	require.Zero(t, code)
	golden(t, "preview-click.txt", stdout)
}

func TestPreviewOfWhatCannotBeReadFails(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := quickstart(t, nil, "", "-preview", filepath.Join(t.TempDir(), "missing.json"))
	require.Equal(t, 2, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "missing.json")

	code, stdout, stderr = quickstart(t, nil, strings.Repeat(" ", maxWebhook+1), "-preview", "-")
	require.Equal(t, 2, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "larger than 1 MiB")
}

func TestPreviewWritesNothingThatATerminalObeys(t *testing.T) {
	t.Parallel()
	body := `{"eventName":"click\u001b[2J","userId":"user\u0007","dataFields":{"a\u001b[1m":"\u009b2J","b":"` + "\u009b2J" + `"}}`
	code, stdout, _ := quickstart(t, nil, body, "-preview", "-")
	require.Zero(t, code)
	require.Contains(t, stdout, "click�[2J")
	for _, r := range strings.ReplaceAll(stdout, "\n", "") {
		require.False(t, r < ' ' || r >= 0x7f && r < 0xa0, "%q", r)
	}
}

func TestPreviewClaimsNothingThatIsNotSent(t *testing.T) {
	t.Parallel()
	const body = `{"eventName":"pushOpen","userId":"u-1","dataFields":{"createdAt":"rubbish","userId":"u-2","deviceInfo":{"platform":"iOS"},"n":1,"n":2}}`
	code, stdout, _ := quickstart(t, nil, body, "-preview", "-")
	require.Zero(t, code)
	_, table, _ := strings.Cut(stdout, "WEBHOOK FIELD")
	require.NotContains(t, table, "sent as")
	require.Regexp(t, `n +n +1\n +n +n +2\n$`, table, "each with its own value")
}
