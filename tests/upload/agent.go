// SPDX-License-Identifier: Apache-2.0

// agent - the real trace-agent's receiver, forwarding profiles to an intake of
// ours instead of the backend.
//
//	agent PORT SOCKET INTAKE_URL API_KEY
//
// Built by tests/upload/receivers in a module of its own. Serves on loopback
// and on a unix socket until it is ended.
package main

import (
	"os"
	"strconv"

	"github.com/DataDog/datadog-agent/pkg/trace/api"
	"github.com/DataDog/datadog-agent/pkg/trace/config"
	"github.com/DataDog/datadog-agent/pkg/trace/sampler"
	"github.com/DataDog/datadog-agent/pkg/trace/telemetry"
	"github.com/DataDog/datadog-agent/pkg/trace/timing"
	"github.com/DataDog/datadog-go/v5/statsd"
)

func main() {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil || len(os.Args) != 5 {
		os.Exit(2)
	}
	conf := config.New()
	conf.ReceiverHost = "127.0.0.1"
	conf.ReceiverPort = port
	conf.ReceiverSocket = os.Args[2]
	conf.Hostname = "agent-host"
	conf.DefaultEnv = "agent-env"
	conf.AgentVersion = "7.85.1"
	conf.Endpoints[0].APIKey = os.Args[4]
	conf.ProfilingProxy.DDURL = os.Args[3]
	receiver := api.NewHTTPReceiver(conf, sampler.NewDynamicConfig(), make(chan *api.Payload, 16),
		make(chan *api.PayloadV1, 16), nil, telemetry.NewNoopCollector(), &statsd.NoOpClient{},
		timing.NoopReporter{})
	receiver.Start()
	select {}
}
