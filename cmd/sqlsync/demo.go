package main

import "context"

type demoCmd struct{}

func (demoCmd) Run(ctx context.Context, a *app) error { return nil }
