package amplitude

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

func readMembers(file io.Reader) (members []Member, err error) {
	err = eachMember(file, func(m Member, _ error) bool {
		members = append(members, m)
		return true
	})
	return members, err
}

func TestCohortFiles(t *testing.T) {
	t.Parallel()
	two := []Member{{AmplitudeID: "41", UserID: "u-1"}, {AmplitudeID: "42"}}
	for name, tt := range map[string]struct {
		file string
		want []Member
	}{
		"as in Amplitude's sample":  {"\"amplitude_id\",\"user_id\"\r\n\"41\",\"u-1\"\r\n\"42\",\"\"\r\n", two},
		"without quotes":            {"amplitude_id,user_id\n41,u-1\n42,\n", two},
		"without a line end":        {"amplitude_id,user_id\n41,u-1\n42,", two},
		"with a byte order mark":    {"\ufeff\"amplitude_id\",\"user_id\"\n41,u-1\n42,\n", two},
		"columns the other way":     {"user_id,amplitude_id\nu-1,41\n\"\",42\n", two},
		"user ids alone":            {"user_id\nu-1\n", []Member{{UserID: "u-1"}}},
		"a header alone":            {"amplitude_id,user_id\n", nil},
		"a header without line end": {"amplitude_id,user_id", nil},
		"odd ids":                   {"user_id\n\"a\"\"b\"\n\"a,b\"\n\"a\nb\"\n\"=1+1\"\n\"a\x00\"\n", []Member{{UserID: `a"b`}, {UserID: "a,b"}, {UserID: "a\nb"}, {UserID: "=1+1"}, {UserID: "a\x00"}}},
		"properties": {"amplitude_id,user_id,plan,user_id\n41,u-1,gold,x\n42,u-2,,\n", []Member{
			{AmplitudeID: "41", UserID: "u-1", Properties: map[string]string{"plan": "gold", "user_id": "x"}},
			{AmplitudeID: "42", UserID: "u-2", Properties: map[string]string{"plan": "", "user_id": ""}},
		}},
		"a value that looks like markup": {"user_id\n<html>\n", []Member{{UserID: "<html>"}}},
	} {
		for kind, file := range map[string]string{"plain": tt.file, "gzip": zipped(tt.file), "two gzips": zipped(tt.file[:9]) + zipped(tt.file[9:])} {
			got, err := readMembers(strings.NewReader(file))
			require.NoError(t, err, "%s, %s", name, kind)
			require.Equal(t, tt.want, got, "%s, %s", name, kind)
			got, err = readMembers(iotest.OneByteReader(strings.NewReader(file)))
			require.NoError(t, err, "%s, %s", name, kind)
			require.Equal(t, tt.want, got, "%s, %s", name, kind)
		}
	}
}

func TestWhatIsNoCohortFileIsAnError(t *testing.T) {
	t.Parallel()
	const good = "amplitude_id,user_id\n41,u-1\n"
	for name, tt := range map[string]struct{ file, problem string }{
		"empty":                  {"", "it is empty"},
		"empty gzip":             {zipped(""), "it is empty"},
		"a mark alone":           {"\ufeff", "it is empty"},
		"blank":                  {"\n\n", "it is empty"},
		"HTML":                   {"<!DOCTYPE html>\n<p>user_id</p>", "HTML or XML"},
		"XML after blanks":       {" \n<?xml version=\"1.0\"?><Error/>", "HTML or XML"},
		"HTML after a mark":      {"\ufeff<html>", "HTML or XML"},
		"HTML in gzip":           {zipped("<html>"), "HTML or XML"},
		"JSON":                   {`{"error":{"message":"no"}}`, `bare "`},
		"a text":                 {"Not found", "no column user_id"},
		"another column":         {"amplitude_id,userid\n41,u-1\n", "no column user_id"},
		"a row too short":        {good + "42\n", "wrong number of fields"},
		"a row too long":         {good + "42,u-2,x\n", "wrong number of fields"},
		"a quote left open":      {good + "42,\"u-2\n", `extraneous or missing "`},
		"a bare quote":           {good + "42,u\"2\n", `bare "`},
		"a long row":             {good + "42,\"" + strings.Repeat("x", maxRow+1<<20), "longer than 4 MiB"},
		"a long header":          {strings.Repeat("x", maxRow+1<<20), "longer than 4 MiB"},
		"a gzip bomb":            {zipped(good + strings.Repeat("42,u-2\n", 1<<20)), "hundredfold"},
		"gzip with a wrong sum":  {corrupt(zipped(good), -6), "checksum"},
		"gzip of a wrong length": {corrupt(zipped(good), -1), "checksum"},
		"gzip with a tail":       {zipped(good) + "a tail of some text", "gzip"},
		"the start of gzip":      {"\x1f\x8b", "EOF"},
		"no gzip after all":      {"\x1f\x8bamplitude_id,user_id\n", "gzip"},
	} {
		_, err := readMembers(strings.NewReader(tt.file))
		require.ErrorIs(t, err, ErrCohortFile, name)
		require.NotErrorIs(t, err, ErrCutOff, name)
		require.ErrorContains(t, err, tt.problem, name)
		require.NotContains(t, err.Error(), "u-", "no values")
	}
}

func corrupt(file string, at int) string {
	b := []byte(file)
	b[len(b)+at]++
	return string(b)
}

func TestALargeFileThatPacksWellIsNoBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("a matter of volume")
	}
	t.Parallel()
	var b strings.Builder
	b.WriteString("amplitude_id,user_id\n")
	for i := range 200_000 {
		fmt.Fprintf(&b, "%d,u-%d\n", 410_000_000_000+i, i)
	}
	got, err := readMembers(strings.NewReader(zipped(b.String())))
	require.NoError(t, err)
	require.Len(t, got, 200_000)
}

// A cut file gives the rows before the cut and an error.
func TestAFailingStreamIsCutOffWhereverItFails(t *testing.T) {
	t.Parallel()
	const plain = "\ufeff\"amplitude_id\",\"user_id\"\n\"41\",\"u\"\"1\"\n\"42\",\"u\n2\"\n"
	for _, file := range []string{plain, zipped(plain)} {
		for n := range len(file) + 1 {
			broken := errors.New("broken")
			got, err := readMembers(io.MultiReader(strings.NewReader(file[:n]), iotest.ErrReader(broken)))
			require.ErrorIs(t, err, ErrCutOff, n)
			require.ErrorIs(t, err, broken, n)
			require.NotErrorIs(t, err, ErrCohortFile, n)
			require.LessOrEqual(t, len(got), 2)
		}
	}
}

func TestTheLoopMayStop(t *testing.T) {
	t.Parallel()
	n := 0
	err := eachMember(strings.NewReader("user_id\na\nb\n"), func(Member, error) bool {
		n++
		return false
	})
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func FuzzCohortFile(f *testing.F) {
	for _, file := range []string{
		"\"amplitude_id\",\"user_id\"\n\"41\",\"u-1\"\n", "user_id,p\r\na,b\r\n", "\ufeffuser_id\n", "<html>", "",
		zipped("user_id\na\n"), "user_id\n\"a\"\"b\n\"", "a,user_id\n1\n",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := readMembers(bytes.NewReader(file))
		if err != nil {
			require.ErrorIs(t, err, ErrCohortFile)
			return
		}
		slow, err := readMembers(iotest.HalfReader(bytes.NewReader(file)))
		require.NoError(t, err)
		require.Equal(t, got, slow)
		for n := range file {
			_, err := readMembers(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(io.ErrUnexpectedEOF)))
			require.Error(t, err)
		}
	})
}

func cohortFile(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("\"amplitude_id\",\"user_id\"\r\n")
	for i := range rows {
		fmt.Fprintf(&b, "\"%d\",\"user-%08d\"\r\n", 410_000_000_000+i, i)
	}
	return b.Bytes()
}

// The second is what encoding/csv alone takes for the same rows.
func BenchmarkCohortFile(b *testing.B) {
	const rows = 100_000
	file := cohortFile(rows)
	perRow := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
		b.SetBytes(int64(len(file)))
	}
	b.Run("members", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			if err := eachMember(bytes.NewReader(file), func(Member, error) bool { n++; return true }); err != nil || n != rows {
				b.Fatal(n, err)
			}
		}
		perRow(b)
	})
	b.Run("encoding-csv", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := csv.NewReader(bytes.NewReader(file))
			r.ReuseRecord = true
			for {
				if _, err := r.Read(); err == io.EOF {
					break
				}
			}
		}
		perRow(b)
	})
}
