export type Command = readonly [program: string, ...args: string[]]

/** How a snippet becomes a program that is given an id, a timestamp and signatures, and a body on its standard input. */
export interface Language {
  /** A command that succeeds where the language is installed. */
  installed: Command
  files: (snippet: string) => Record<string, string>
  /** Finds the packages that the snippet needs on this machine. */
  fetch?: Command
  build?: Command
  run: Command
}

/** No tool is to bring anything from elsewhere. */
export const OFFLINE = {
  GOTOOLCHAIN: "local",
  GOFLAGS: "-mod=mod",
  GOPROXY: "off",
  CARGO_NET_OFFLINE: "true",
}

export const LANGUAGES: Readonly<Record<string, Language>> = {
  javascript: {
    installed: ["node", "--version"],
    files: (snippet) => ({
      "snippet.mjs": snippet,
      "main.mjs": `import { readFileSync } from "node:fs"
import { verify } from "./snippet.mjs"
console.log(verify(readFileSync(0), ...process.argv.slice(2)))`,
    }),
    run: ["node", "main.mjs"],
  },
  python: {
    installed: ["python3", "--version"],
    files: (snippet) => ({
      "snippet.py": snippet,
      "main.py": `import sys
from snippet import verify
print("true" if verify(sys.stdin.buffer.read(), *sys.argv[1:]) else "false")`,
    }),
    run: ["python3", "main.py"],
  },
  go: {
    installed: ["go", "version"],
    files: (snippet) => ({
      "go.mod": "module receiver\n\ngo 1.21\n",
      "snippet.go": `package main\n\n${snippet}\n`,
      "main.go": `package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	body, _ := io.ReadAll(os.Stdin)
	fmt.Println(verify(body, os.Args[1], os.Args[2], os.Args[3]))
}
`,
    }),
    build: ["go", "build", "-o", "main.exe", "."],
    run: ["./main.exe"],
  },
  java: {
    installed: ["javac", "-version"],
    files: (snippet) => ({
      "Receiver.java": snippet,
      "Main.java": `class Main {
  public static void main(String[] args) throws Exception {
    System.out.println(Receiver.verify(System.in.readAllBytes(), args[0], args[1], args[2]));
  }
}`,
    }),
    build: ["javac", "Receiver.java", "Main.java"],
    run: ["java", "Main"],
  },
  csharp: {
    installed: ["dotnet", "--version"],
    files: (snippet) => ({
      "receiver.csproj": `<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net8.0</TargetFramework>
    <RollForward>Major</RollForward>
    <ImplicitUsings>enable</ImplicitUsings>
    <Nullable>enable</Nullable>
  </PropertyGroup>
</Project>`,
      "Receiver.cs": snippet,
      "Program.cs": `using var body = new MemoryStream();
Console.OpenStandardInput().CopyTo(body);
Console.WriteLine(Receiver.Verify(body.ToArray(), args[0], args[1], args[2]) ? "true" : "false");`,
    }),
    fetch: ["dotnet", "restore", "--source", "."],
    build: ["dotnet", "build", "--no-restore", "--output", "built"],
    run: ["dotnet", "built/receiver.dll"],
  },
  ruby: {
    installed: ["ruby", "--version"],
    files: (snippet) => ({
      "snippet.rb": snippet,
      "main.rb": `require_relative "snippet"
puts verify($stdin.binmode.read, *ARGV)`,
    }),
    run: ["ruby", "main.rb"],
  },
  php: {
    installed: ["php", "--version"],
    files: (snippet) => ({
      "snippet.php": snippet,
      "main.php": `<?php
require "snippet.php";
echo verify(file_get_contents("php://stdin"), $argv[1], $argv[2], $argv[3]) ? "true" : "false";`,
    }),
    run: ["php", "main.php"],
  },
  rust: {
    installed: ["cargo", "--version"],
    files: (snippet) => ({
      "Cargo.toml": `[package]
name = "receiver"
version = "0.0.0"
edition = "2021"

[[bin]]
name = "receiver"
path = "main.rs"

[dependencies]
http = "1"
standardwebhooks = "1"
`,
      "main.rs": `${snippet}

fn main() {
    let mut body = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut body).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in ["webhook-id", "webhook-timestamp", "webhook-signature"].into_iter().zip(std::env::args().skip(1)) {
        headers.insert(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    println!("{}", verify(&body, &headers));
}
`,
    }),
    fetch: ["cargo", "fetch", "--offline"],
    build: ["cargo", "build", "--offline"],
    run: ["target/debug/receiver"],
  },
}
