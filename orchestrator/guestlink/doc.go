// Package guestlink is the host's side of agents/protocol: it hears what a guest says and turns it into events of the
// fleet, and answers with what is served and told to the host. It knows neither how a guest is run nor how its words
// travel. A [Conversation] is one guest's. A [Channel] has it over a connection. A backend whose guests stand still
// while they are answered has it itself and holds it to a [Quota]. A [Service] outlives the boots of its host, and a
// [ConsoleLog] is what it prints.
//
// Whatever comes from a guest is bounded and checked.
package guestlink
