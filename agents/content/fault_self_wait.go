package content

// selfWait is a rule by which an agent that waits for its inspector waits for itself.
func selfWait() Fault {
	return onProgram(Fault{
		Name:    "self_wait",
		Summary: "The first rule that has a program inspected before it may run.",
		Defect:  "the listener that answers for each execution waits for the inspector, whose own execution waits for the listener",
		Effect:  "every execution on the machine waits, for ever or for the sensor's deadline",
	}, Inspect, "doubtful program", "work", "name of the file of the program to be inspected")
}
