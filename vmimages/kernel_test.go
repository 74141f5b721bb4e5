package vmimages

import (
	"strings"
	"testing"
)

func TestCompareReleases(t *testing.T) {
	ascending := []string{"", "5.10.0-20-cloud-amd64", "6.1.0-9-cloud-amd64", "6.1.0-10-cloud-amd64", "6.1.0-010-cloud-amd64x", "6.12.0-1-cloud-amd64"}
	for i, a := range ascending {
		for j, b := range ascending {
			got := compareReleases(a, b)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compareReleases(%q, %q) = %d", a, b, got)
			}
		}
	}
}

func TestConfigFacts(t *testing.T) {
	config := parseConfig([]byte("# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=\"a=b\"\nCONFIG_D=m\nOTHER=1\n"))
	facts, err := configFacts(kernelRecipe{
		Require: map[string]string{"CONFIG_B": "y", "CONFIG_A": "n"}, Record: []string{"CONFIG_C", "CONFIG_E"},
	}, config)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"CONFIG_A": "n", "CONFIG_B": "y", "CONFIG_C": `"a=b"`, "CONFIG_E": "n"} {
		if facts[key] != want {
			t.Errorf("%s is %q, want %q", key, facts[key], want)
		}
	}
	_, err = configFacts(kernelRecipe{Require: map[string]string{"CONFIG_A": "y", "CONFIG_D": "y"}}, config)
	if err == nil || !strings.Contains(err.Error(), "CONFIG_A is n and must be y\nCONFIG_D is m and must be y") {
		t.Errorf("error %v", err)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=\"x\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for key := range parseConfig(data) {
			if !strings.HasPrefix(key, "CONFIG_") {
				t.Errorf("key %q", key)
			}
		}
	})
}
