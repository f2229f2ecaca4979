package cloudtest

func snapshotCases() []testCase { return nil }
func setCases() []testCase      { return nil }
func imageCases() []testCase    { return nil }
func makingCases() []testCase   { return nil }
func taggingCases() []testCase  { return nil }
func errorCases() []testCase    { return nil }
