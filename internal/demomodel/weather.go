package demomodel

import (
	"hash/fnv"
	"net/http"
)

// forecast is the answer of the sample tool. Its numbers are invented, but the
// same for the same city.
type forecast struct {
	City         string `json:"city"`
	TemperatureC int    `json:"temperature_c"`
	Conditions   string `json:"conditions"`
	Source       string `json:"source"`
}

var conditions = []string{"sunny", "partly cloudy", "overcast", "rainy", "windy"}

const (
	coldest = -5
	warmest = 30
)

func weather(w http.ResponseWriter, r *http.Request) {
	city := r.URL.Query().Get("city")
	if city == "" {
		fail(w, r, http.StatusBadRequest, "the parameter city is missing")
		return
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(city)) // Never fails.
	number := int(hash.Sum32() >> 1)
	send(w, r, http.StatusOK, forecast{
		City: city, TemperatureC: coldest + number%(warmest-coldest+1), Conditions: conditions[number%len(conditions)],
		Source: "invented by Ark's demo server",
	})
}
