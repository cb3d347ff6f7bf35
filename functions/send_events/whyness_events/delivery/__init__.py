"""What the Lambda does with the contract's messages: `deliver` is the flow, the folders are its steps."""
