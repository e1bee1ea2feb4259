// Package models is what can be done with the data models of a topic: operations with
// names, whose requests and answers travel as JSON, between a command and the node that
// holds the models.
//
// Each model has a file here, with its operations and the types of what they take and
// give. A model is mounted when an operation first asks for it, on the channel with its
// name unless another is given, and stays so until the Set is closed, or until the channel is
// asked for as a model of another kind while nobody uses it.
package models
