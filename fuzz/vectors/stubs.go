package main

func frameVectors() any   { return nil }
func linkVectors() any    { return nil }
func exportVectors() any  { return nil }
func historyVectors() any { return nil }
func sessionVectors() any { return nil }
